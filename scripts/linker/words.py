# SPDX-License-Identifier: Apache-2.0
"""Names for the linker: those that cost nothing, and those that are not ours to change."""

# In the read-only name table of MicroPython's ESP32 and Unix ports (methods of its types, functions of its
# modules), so that using them for something else takes no heap. A test has the interpreter prove it.
# Not among them: super and const, which its compiler knows.
FREE = """
    a2b_base64 abs accept acos acosh add addressof aes all any append appendleft argv array asin asinh atan
    atan2 atanh atexit b2a_base64 bin bind bool buffer bytearray bytearray_at byteorder bytes bytes_at
    calcsize callable ceil center chdir choice chr classmethod clear clock close collect compile complex
    connect copy copysign cos cosh count crc32 decode decrypt degrees delattr deleter deque dict difference
    difference_update digest dir disable discard divmod dump dumps enable encode encrypt endswith enumerate
    erf erfc errorcode eval exc_info exec execfile executable exit exp expm1 extend fabs factorial fileno
    filter find float floor flush fmod format frexp from_bytes fromhex fromkeys frozenset gamma get
    get_ciphers getaddrinfo getattr getcwd getenv getrandbits getter getvalue globals gmtime hasattr hash
    heap_lock heap_unlock heapify heappop heappush help hex hexlify id idle ilistdir implementation index
    inet_ntop inet_pton inf input insert int intersection intersection_update isalpha isclose isdigit
    isdisjoint isenabled isfinite isinf isinstance islower isnan isspace issubclass issubset issuperset
    isupper items iter join kbd_intr keys ldexp len lgamma list listdir listen load load_cert_chain
    load_verify_locations loads locals localtime log log10 log2 lower lstrip makefile map match max maxsize
    md5 mem16 mem32 mem8 mem_alloc mem_current mem_free mem_info mem_peak mem_total memoryview min mkdir mkfs
    mktime modf modules mount namedtuple nan next object oct off on open opt_level ord pack pack_into
    partition path pend_throw phase pi platform polar poll pop popitem popleft pow print print_exception
    property ps1 ps2 putenv qstr_info radians randint random randrange range read readinto readline readlines
    rect recv recvfrom remove rename replace repr reverse reversed rfind rindex rmdir round rpartition rsplit
    rstrip schedule search seed seek send sendto sep set set_ciphers setattr setblocking setdefault setsockopt
    setter settimeout sha1 sha256 sin sinh sizeof sleep sleep_ms sleep_us slice sockaddr socket soft_reset
    sort sorted split splitlines sqrt stack_use start startswith stat staticmethod statvfs stderr stdin stdout
    step stop str strip struct sub sum symmetric_difference symmetric_difference_update system tan tanh tau
    tell threshold throw ticks_add ticks_cpu ticks_diff ticks_ms ticks_us time time_ns time_pulse_us to_bytes
    trunc tuple type umount unhexlify uniform union unlink unpack unpack_from unsetenv update upper urandom
    values version version_info wrap_socket write zip AF_INET AF_INET6 AF_UNIX ARRAY AUTO ArithmeticError
    AssertionError AttributeError BFINT16 BFINT32 BFINT8 BFUINT16 BFUINT32 BFUINT8 BF_LEN BF_POS BIG_ENDIAN
    BaseException BytesIO CERT_NONE CERT_OPTIONAL CERT_REQUIRED DeflateIO EACCES EADDRINUSE EAGAIN EALREADY
    EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EHOSTUNREACH EINPROGRESS EINVAL EIO EISDIR ENOBUFS
    ENODEV ENOENT ENOMEM ENOTCONN EOFError EOPNOTSUPP EPERM ETIMEDOUT Ellipsis Exception FLOAT32 FLOAT64 GZIP
    GeneratorExit INT INT16 INT32 INT64 INT8 IOBase ImportError IndentationError IndexError KeyError
    KeyboardInterrupt LITTLE_ENDIAN LONG LONGLONG LookupError MBEDTLS_VERSION MSG_DONTROUTE MSG_DONTWAIT
    MemoryError NATIVE NameError NotImplemented NotImplementedError OSError OrderedDict OverflowError POLLERR
    POLLHUP POLLIN POLLOUT PROTOCOL_DTLS_CLIENT PROTOCOL_DTLS_SERVER PROTOCOL_TLS_CLIENT PROTOCOL_TLS_SERVER
    PTR PinBase RAW RingIO RuntimeError SHORT SOCK_DGRAM SOCK_RAW SOCK_STREAM SOL_SOCKET SO_BROADCAST SO_ERROR
    SO_KEEPALIVE SO_LINGER SO_REUSEADDR SSLContext Signal StopAsyncIteration StopIteration StringIO
    SyntaxError SystemExit TypeError UINT UINT16 UINT32 UINT64 UINT8 ULONG ULONGLONG USHORT UnicodeError VOID
    ValueError VfsFat VfsLfs1 VfsLfs2 VfsPosix VfsRom ViperTypeError ZLIB ZeroDivisionError
""".split()

# Attributes of objects the port brings (pins, buses, partitions, tasks, files): what has one of these names in
# the firmware keeps it. A test looks through the port's stubs for more.
EXTERNAL = frozenset(
    """
    acquire add add_callback addrsize alarm armed attach baudrate block_count cancel cancelled close commit
    config connect count current_task deinit drain duty erase exception feed find flush freq get
    get_next_update info init ioctl irq is_set kill lightsleep mac mem memory mode off on open pull raise
    read readblocks readfrom readfrom_into readfrom_mem readfrom_mem_into readinto readline release reset
    result run run_until_complete scan seek select send set start state stop tell toggle update value wait
    wait_closed wait_for wait_for_ms write write_readinto writeblocks writeto writeto_mem writevto
    """.split()
)

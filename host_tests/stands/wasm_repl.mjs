// SPDX-License-Identifier: Apache-2.0
// One start of MicroPython's WebAssembly port, as wasm_repl.py wants it. Frames both ways: a letter, a length (32 bits,
// little-endian), that many bytes. In: I what to start with (JSON), D what the serial port gets, Q what is there now?
// Out: D what the serial port says, S files and state (JSON), R the same when the board resets, after which this ends.

import fs from "node:fs";

const OURS = ["/tmp", "/home", "/dev", "/proc", "/standins"];
const NO_SPACE = 51;

// A board has these built in: to be had whatever sys.path says, and whatever is taken out of sys.modules.
const BUILT_IN = `
def _built_in():
    import builtins, sys
    sys.path.append("/standins")
    import machine
    sys.path.pop()
    genuine = builtins.__import__
    def find(name, *more):
        return machine if name == "machine" else genuine(name, *more)
    builtins.__import__ = find
_built_in()
del _built_in
`;

function send(kind, payload) {
  const body = typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload);
  const head = Buffer.alloc(5);
  head.write(kind, 0);
  head.writeUInt32LE(body.length, 1);
  let all = Buffer.concat([head, body]);
  while (all.length) {
    try {
      all = all.subarray(fs.writeSync(1, all));
    } catch (e) {
      if (e.code !== "EAGAIN") throw e;
    }
  }
}

let mp, quiet = false;
const board = (globalThis.board = { reset: "" });
const queue = [];

function walk(folder, found) {
  for (const name of mp.FS.readdir(folder)) {
    if (name === "." || name === "..") continue;
    const path = (folder === "/" ? "" : folder) + "/" + name;
    if (OURS.includes(path)) continue;
    if (mp.FS.isDir(mp.FS.stat(path).mode)) {
      found[path + "/"] = "";
      walk(path, found);
    } else found[path] = Buffer.from(mp.FS.readFile(path)).toString("base64");
  }
  return found;
}

function used(folder = "/") {
  let blocks = 0;
  for (const name of mp.FS.readdir(folder)) {
    const path = (folder === "/" ? "" : folder) + "/" + name;
    if (name === "." || name === ".." || OURS.includes(path)) continue;
    const { mode, size } = mp.FS.stat(path);
    blocks += mp.FS.isDir(mode) ? 2 + used(path) : Math.ceil(size / 4096);
  }
  return blocks;
}

function snapshot() {
  const { reset, ...state } = board;
  return JSON.stringify({ reset, state, files: walk("/", {}) });
}

// A flash has an end: MEMFS has none.
function limit(blocks) {
  const genuine = mp.FS.write;
  mp.FS.write = (stream, buffer, offset, length, ...more) => {
    if (stream.path && !stream.path.startsWith("/dev") && used() >= blocks) throw new mp.FS.ErrnoError(NO_SPACE);
    return genuine(stream, buffer, offset, length, ...more);
  };
  const node = mp.FS.statfsNode;
  mp.FS.statfsNode = (n) => ({ ...node(n), blocks, bfree: blocks - used(), bavail: blocks - used() });
}

function run(path) {
  if (!mp.FS.analyzePath(path).exists) return;
  try {
    mp.runPython(mp.FS.readFile(path, { encoding: "utf8" }));
  } catch (e) {
    if (!board.reset) send("D", e.message.replaceAll("\n", "\r\n"));
  }
}

function ended() {
  if (board.reset) {
    send("R", snapshot());
    throw new Error("reset"); // nothing runs after it; the other side ends this program
  }
}

async function start(with_) {
  const { loadMicroPython } = await import(with_.port);
  mp = await loadMicroPython({
    heapsize: 1024 * 1024,
    url: with_.wasm,
    linebuffer: false,
    stdout: (data) => quiet || board.reset || send("D", data),
  });
  Object.assign(board, with_.state);
  mp.FS.mkdir("/standins");
  for (const [name, text] of Object.entries(with_.standins)) mp.FS.writeFile("/standins/" + name, text);
  for (const [path, content] of Object.entries(with_.files)) {
    if (path.endsWith("/")) mp.FS.mkdirTree(path.slice(0, -1));
    else {
      mp.FS.mkdirTree(path.slice(0, path.lastIndexOf("/") + 1) || "/");
      mp.FS.writeFile(path, Buffer.from(content, "base64"));
    }
  }
  if (with_.blocks) limit(with_.blocks);
  mp.runPython(BUILT_IN);
  run("/boot.py");
  ended();
  if (!with_.raw) run("/main.py");
  ended();
  quiet = with_.raw;
  mp.replInit();
  quiet = false;
  if (with_.raw) {
    mp.replProcessChar(1);
    raw = true;
  }
}

let raw = false, fresh = true, asked = "";
function type(byte) {
  // The port's own answer to a request for raw-paste mode hangs: this board understands, and has none.
  if (raw && fresh && (byte === 5 || asked)) {
    asked += String.fromCharCode(byte);
    if (asked === "\x05A\x01") {
      asked = "";
      send("D", "R\0");
    }
    return;
  }
  if (byte === 1) raw = true;
  if (byte === 2) raw = false;
  if (raw && byte === 4 && fresh) {
    send("D", "OK\r\nMPY: soft reboot\r\n");
    board.reset = "soft";
    return ended();
  }
  fresh = byte < 5 || (fresh && byte === 13);
  mp.replProcessChar(byte);
  ended();
}

let pending = Buffer.alloc(0), chain = Promise.resolve();
process.stdin.on("data", (data) => {
  pending = Buffer.concat([pending, data]);
  while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32LE(1)) {
    const length = pending.readUInt32LE(1);
    const kind = String.fromCharCode(pending[0]), body = pending.subarray(5, 5 + length);
    pending = pending.subarray(5 + length);
    chain = chain.then(async () => {
      if (kind === "I") await start(JSON.parse(body));
      else if (kind === "D") body.forEach(type);
      else if (kind === "Q") send("S", snapshot());
    }).catch((e) => {
      if (board.reset) return new Promise(() => {});
      console.error("wasm_repl.mjs:", e.message); // without the source line: it has 100,000 characters
      process.exit(1);
    });
  }
});
process.stdin.on("end", () => process.exit(0));

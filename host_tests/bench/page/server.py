# SPDX-License-Identifier: Apache-2.0
"""The bench's page in the browser: files, one WebSocket, nothing that leaves this machine.

    server = serve(source, port=0)      # 0 = any free port
    print(server.url) ... server.close()

`source.snapshot() -> dict` is called ten times a second, `source.command(dict)` once per command of the
page; a ValueError's text is shown to the person as a toast. Both are called from threads of this server.

Every request must name a loopback host, and a WebSocket must come from the page that this server sent
(Origin = Host): a web site open in the same browser can neither read the bench nor drive it.

Over the socket the server says {"type": ...}: `snapshot` {s}, dropped when a newer one is ready first;
`history` {points}, on connecting and whenever older points were thinned; `points` {points}, to append;
`done` or `refused` {text}, one answer per command, in order; `trouble` {text}, no snapshot to be had.
"""

import asyncio
import concurrent.futures
import json
import logging
import pathlib
import re
import threading

from microdot import Microdot, Response, send_file
from microdot.websocket import WebSocketError, websocket_upgrade

from host_tests.bench.page.commands import checked
from host_tests.bench.page.history import History

WEB = pathlib.Path(__file__).parents[1] / "web"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
SNAPSHOT_PERIOD_S = 0.1
UNSENT_LIMIT = 500
log = logging.getLogger(__name__)


def is_loopback(host_header):
    """True for 127.0.0.1, localhost and [::1], with or without a port; False for anything else."""
    return bool(LOOPBACK.fullmatch(host_header or ""))


def is_own_page(headers):
    """True when a browser says the request comes from the very page this server sent (or is no browser)."""
    origin = headers.get("Origin")
    return origin is None or origin.lower() == "http://" + headers.get("Host", "").lower()


class _Client:
    """One open page: answers and plot points are sent in order, of the snapshots only the newest."""

    def __init__(self, ws):
        self.ws = ws
        self.queue = []
        self.latest = None
        self.wake = asyncio.Event()
        self.button_down = False

    def put(self, **message):
        self.queue.append(json.dumps(message))
        self.wake.set()

    def put_snapshot(self, text):
        self.latest = text
        self.wake.set()

    async def send_all(self):
        while True:
            await self.wake.wait()
            self.wake.clear()
            queue, self.queue = self.queue, []
            latest, self.latest = self.latest, None
            for text in queue:
                await self.ws.send(text)
            if latest:
                await self.ws.send(latest)


class Server:
    """The running page server. `url` is where the page is; `close()` ends it and its thread."""

    def __init__(self, source, port):
        self.url = ""
        self._source = source
        self._port = port
        self._history = History()
        self._clients = set()
        self._started = concurrent.futures.Future()
        # One worker: commands reach the plant in the order in which they were sent.
        self._commands = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="bench-page-command")
        self._thread = threading.Thread(target=self._run, name="bench-page", daemon=True)
        self._thread.start()
        self._loop, self._stop, self.url = self._started.result()

    def close(self):
        """End the server: pages are told by their sockets closing. Safe to call twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._commands.shutdown(wait=False)

    def _run(self):
        try:
            asyncio.run(self._main())
        except BaseException as error:
            if self._started.done():
                log.exception("the page server stopped")
            else:
                self._started.set_exception(error)

    async def _main(self):
        stop = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(self._note)
        app = self._app()
        listener = await app.start_server("127.0.0.1", self._port, start_serving=False)
        await listener.start_serving()
        port = listener.sockets[0].getsockname()[1]
        self._started.set_result((asyncio.get_running_loop(), stop, f"http://127.0.0.1:{port}/"))
        feed = asyncio.create_task(self._feed())
        await stop.wait()
        feed.cancel()
        listener.close()
        for client in list(self._clients):
            client.ws.request.sock[1].close()

    @staticmethod
    def _note(loop, context):
        # A connection that never asked for anything (browsers open some in advance) ends by being cancelled.
        if not isinstance(context.get("exception"), asyncio.CancelledError):
            loop.default_exception_handler(context)

    def _app(self):
        app = Microdot()

        @app.before_request
        async def only_from_here(request):
            if not is_loopback(request.headers.get("Host")) or not is_own_page(request.headers):
                return Response("This page answers only to a browser on this machine.\n", 403)
            return None

        @app.get("/")
        async def front(request):
            return self._file("index.html")

        @app.get("/<name>")
        async def file(request, name):
            return self._file(name)

        @app.get("/socket")
        async def socket(request):
            ws = await websocket_upgrade(request)
            await self._serve_client(_Client(ws))
            return Response.already_handled

        # The file route would otherwise answer for /socket: more particular routes go first.
        app.url_map.insert(0, app.url_map.pop())
        return app

    @staticmethod
    def _file(name):
        path = WEB / name
        if path.parent != WEB or path.suffix not in TYPES or not path.is_file():
            return Response("No such page.\n", 404, HEADERS)
        response = send_file(str(path), content_type=TYPES[path.suffix] + "; charset=utf-8")
        response.headers.update(HEADERS)
        return response

    async def _feed(self):
        """Sample the source for all pages; a source that fails is reported to them, not hidden."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                snapshot = self._source.snapshot()
                if not snapshot:
                    raise LookupError("it is still starting")
                point = self._history.add(snapshot)
                text = json.dumps({"type": "snapshot", "s": snapshot})
            except Exception as error:
                log.debug("no snapshot", exc_info=True)
                for client in self._clients:
                    client.put(type="trouble", text=f"The bench gives no figures: {error}")
            else:
                self._pass_on(point, text)
            due = max(due + SNAPSHOT_PERIOD_S, loop.time())
            await asyncio.sleep(due - loop.time())

    def _pass_on(self, point, snapshot_text):
        thinned, self._history.thinned = self._history.thinned, False
        for client in list(self._clients):
            if len(client.queue) > UNSENT_LIMIT:  # a page that has stopped reading; it connects again
                client.ws.request.sock[1].close()
                continue
            if thinned:
                client.put(type="history", points=self._history.points)
            elif point:
                client.put(type="points", points=[point])
            client.put_snapshot(snapshot_text)

    async def _serve_client(self, client):
        client.put(type="history", points=self._history.points)
        self._clients.add(client)
        sender = asyncio.create_task(client.send_all())
        try:
            while True:
                await self._answer(client, await client.ws.receive())
        except (WebSocketError, OSError, EOFError, UnicodeDecodeError):
            pass  # the page has gone, or spoke no WebSocket: either way this connection is over
        finally:
            self._clients.discard(client)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            if client.button_down:  # nobody holds it any more
                await self._command({"cmd": "button", "down": False})

    async def _answer(self, client, text):
        try:
            command = checked(text)
            if command["cmd"] == "button":
                client.button_down = command["down"]
            await self._command(command)
        except ValueError as refusal:
            client.put(type="refused", text=str(refusal))
        except Exception as error:
            log.exception("a command failed")
            client.put(type="refused", text=f"The bench failed: {error}")
        else:
            client.put(type="done")

    async def _command(self, command):
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._commands, self._source.command, command)


def serve(source, port=8080):
    """Serve the page for `source` on 127.0.0.1. Raises OSError when the port is taken."""
    return Server(source, port)

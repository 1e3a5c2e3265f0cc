"""A PhysioNet of our own on the loopback: two small records and every way in which a server can fail."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILES = {
    "RECORDS": b"100\n101\n",
    "ANNOTATORS": b"atr\treference beats\n",
    "100.hea": b"100 1 360 650000\n",
    "100.dat": b"a" * 5000,
    "101.hea": b"101 1 360 650000\n",
    "101.dat": b"b" * 5000,
    "100.xws": b"a bookmark",
    "mitdbdir/intro.htm": b"<html>",
}
PAGE = b"<html>\nVersion: 1.0.0</b>\n</html>"


@dataclass
class FakePhysioNet:
    """What the server holds, what was asked of it, and how it fails."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    damaged: dict[str, int] = field(default_factory=dict)  # answers that will be wrong, by file
    stalls_at: str | None = None  # the file that never comes
    asked: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.list_checksums()

    def list_checksums(self, without: str | None = None) -> None:
        """Write SHA256SUMS.txt anew."""
        sums = [
            f"{hashlib.sha256(data).hexdigest()} {name}"
            for name, data in self.files.items()
            if name != without
        ]
        self.files["SHA256SUMS.txt"] = "\n".join(sums).encode()

    def answer(self, path: str) -> bytes | None:
        """The body for a path; None is a 404."""
        if path.startswith("/content/"):
            return PAGE
        name = path.removeprefix("/files/").split("/", 2)[-1]
        self.asked.append(name)
        if name == self.stalls_at:
            self.go_on.wait(30)
        if self.damaged.get(name):
            self.damaged[name] -= 1
            return b"damaged"
        return self.files.get(name)


@contextmanager
def fake_physionet() -> Iterator[FakePhysioNet]:
    """The server, running."""
    state = FakePhysioNet()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = state.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()

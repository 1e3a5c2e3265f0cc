"""A page with nothing on it, as a process: takes the flags that the demo sets of `ecg-monitor web`."""

from __future__ import annotations

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from monitor.config import load_settings
from monitor.processes import inherited_listener


class _Handler(BaseHTTPRequestHandler):
    """Well, whatever is asked."""

    def do_GET(self) -> None:
        """200 and a word."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    for flag in ("config", "bootstrap-servers", "host"):
        parser.add_argument(f"--{flag}", required=True)
    flags = parser.parse_args()
    descriptor = load_settings(Path(flags.config)).web.listen_fd
    assert descriptor is not None
    server = ThreadingHTTPServer((flags.host, 0), _Handler, bind_and_activate=False)
    server.socket = inherited_listener(descriptor)
    server.serve_forever()


if __name__ == "__main__":
    main()

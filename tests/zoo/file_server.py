"""A server of one file on this machine, that misbehaves as it is told to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class FileServer(http.server.ThreadingHTTPServer):
    """Answers every GET with `content`, ranges included, except as `script` says.

    Args:
        content: the file.
        script: what is done to the first requests, one entry each: `break 100` closes after 100
            bytes, `silent 1` says nothing for 1 second, `slow 1` waits that long in mid-file,
            `unranged` ignores a range, `corrupt` sends other bytes, `redirect URL`; a number is a
            status code, and what follows it `Retry-After`.
    """

    daemon_threads = True

    def __init__(self, content: bytes, *script: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.script = list(script)
        self.ranges: list[str | None] = []
        """The range of each request so far."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/files/net.pth"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone away is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        action, _, detail = (self.server.script or [""]).pop(0).partition(" ")
        if action == "silent":
            threading.Event().wait(float(detail))  # tests replace time.sleep
        elif action == "redirect":
            self.send_response(302)
            self.send_header("Location", detail)
            self.end_headers()
        elif action.isdigit():
            self.send_response(int(action))
            if detail:
                self.send_header("Retry-After", detail)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_file(asked if action != "unranged" else None, action, detail)

    def send_file(self, asked: str | None, action: str, detail: str) -> None:
        content = self.server.content
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        if asked:
            whole = len(content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if action == "break":
            self.wfile.write(body[: int(detail)])
            self.close_connection = True
            return
        if action == "slow":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            threading.Event().wait(float(detail))  # tests replace time.sleep
            body = body[len(body) // 2 :]
        self.wfile.write(bytes(255 - byte for byte in body) if action == "corrupt" else body)

    def log_message(self, *_: object) -> None:
        """Tests read `ranges` instead."""


@contextmanager
def serving(content: bytes, *script: str) -> Iterator[FileServer]:
    with FileServer(content, *script) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""A server of files on this machine that can misbehave, and archives to serve."""

from __future__ import annotations

import contextlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    """Serves bytes by path; how it misbehaves is set by tests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []  # path and Range
        self.cut: list[int] = []  # after so many bytes of the next answers
        self.length: int | bool | None = True  # announced: true, none, or this
        self.ranges = True
        self.moved: dict[str, str] = {}
        self.tag = '"1"'

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        asked = self.headers.get("Range")
        self.server.asked.append((path, asked))
        self.close_connection = True
        if path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.files.get(path)
        if content is None:
            self.send_error(404)
            return
        begin = 0
        same = self.headers.get("If-Range") in (None, self.server.tag)
        if asked and self.server.ranges and same:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[begin:]
        self.send_header("ETag", self.server.tag)
        self.send_header("Connection", "close")
        if self.server.length is True:
            self.send_header("Content-Length", str(len(rest)))
        elif self.server.length:
            self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        if self.server.cut:
            rest = rest[: self.server.cut.pop(0)]
        with contextlib.suppress(ConnectionError):  # a client may hang up on purpose
            self.wfile.write(rest)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server that runs."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def packed(path: Path, members: dict[str, bytes]) -> Path:
    """A tar.gz or zip with these members."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path

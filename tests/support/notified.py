"""News, and a server on this machine that they are posted to, as a chat's."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.run.news import News

HOSTILE = "$(touch /tmp/never); `id` <category> 'x' \"y\""


def news(text: str = "step 2: 60.0%") -> News:
    return News(
        event="new-best",
        run="my run",
        text=text,
        time=1.0,
        status="running",
        step=2,
        steps=20,
        best_template=HOSTILE,
        best_accuracy=0.6,
    )


TOKEN = "t0k3n-secret"


class Chat(ThreadingHTTPServer):
    """Answers with ``answers`` one after the other, then 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.posted: list[dict] = []
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/{TOKEN}"


class Handler(BaseHTTPRequestHandler):
    server: Chat

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        self.server.asked.append(self.command + " " + self.path)
        if self.command == "POST":
            length = int(self.headers["Content-Length"])
            self.server.posted.append(json.loads(self.rfile.read(length)))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET = _answer  # noqa: N815


@contextlib.contextmanager
def chatting() -> Iterator[Chat]:
    """A chat's server that runs."""
    server = Chat()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Servers that speak OpenAI's chat API: a scripted one that can fail in every way, and a real one.

The scripted one is of the standard library and answers over real HTTP.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.patience import wait_until

Answer = Callable[["Handler", dict[str, Any]], None]
"""What the server does with one request."""

SOON = {"retry-after-ms": "1"}  # the client honours it


class ChatServer(ThreadingHTTPServer):
    """Answers by its script: one entry a request, the last one again and again."""

    daemon_threads = True

    def __init__(self, *script: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list(script)
        self.models: Sequence[str] | int = ("m",)  # or the status of the refusal
        self.asked: list[dict[str, Any]] = []  # bodies
        self.keys: list[str | None] = []  # of all requests: the header Authorization
        self.let_go = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_answer(self) -> Answer:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        if isinstance(self.server.models, int):
            self.answer(self.server.models, {"error": {"message": "no list"}})
        else:
            data = [{"id": name, "object": "model"} for name in self.server.models]
            self.answer(200, {"object": "list", "data": data})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if not raw:  # the client has hung up on purpose
            return
        body = json.loads(raw)
        with self.server.lock:
            self.server.asked.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
            answer = self.server.next_answer()
        with contextlib.suppress(ConnectionError):
            answer(self, body)

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def begin_stream(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        raw = f"data: {text}\n\n".encode()
        self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        self.wfile.flush()

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")


def chunk(
    text: str | None = None, index: int = 0, finish: str | None = None, **delta: Any
) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": index, "delta": {"content": text, **delta}, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}


def usage(tokens_in: int, tokens_out: int, thoughts: int | None = None) -> dict[str, Any]:
    """The last event of a stream, which has no choice."""
    counted: dict[str, Any] = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }
    if thoughts is not None:
        counted["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return {**chunk(), "choices": [], "usage": counted}


def says(*events: Any) -> Answer:
    """A whole stream of these events."""

    def answer(handler: Handler, _body: dict[str, Any]) -> None:
        handler.begin_stream()
        for event in (*events, "[DONE]"):
            handler.event(event)
        handler.end_stream()

    return answer


def replies(text: str, finish: str = "stop", tokens: tuple[int, int] = (10, 3)) -> Answer:
    """A reply in two pieces, and its tokens."""
    half = len(text) // 2
    return says(chunk(text[:half]), chunk(text[half:]), chunk(finish=finish), usage(*tokens))


def refuses(status: int, content: Any, headers: dict[str, str] | None = None) -> Answer:
    """An error."""
    return lambda handler, _body: handler.answer(status, content, headers or SOON)


def tears(*events: Any) -> Answer:
    """A stream that breaks off after these events, in the middle of a piece."""

    def answer(handler: Handler, _body: dict[str, Any]) -> None:
        handler.begin_stream()
        for event in events:
            handler.event(event)
        handler.wfile.write(b'40\r\ndata: {"id": "x"')
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


def hangs(*events: Any) -> Answer:
    """A stream that says no more after these events, until the server is let go."""

    def answer(handler: Handler, _body: dict[str, Any]) -> None:
        handler.begin_stream()
        for event in events:
            handler.event(event)
        handler.server.let_go.wait()

    return answer


@contextlib.contextmanager
def chat_server(*script: Answer) -> Iterator[ChatServer]:
    """A scripted server that runs."""
    running = ChatServer(*script)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        running.let_go.set()
        running.shutdown()
        thread.join()
        running.server_close()


@contextlib.contextmanager
def transformers_serve(model: Path, log: Path) -> Iterator[str]:
    """``transformers serve`` with a model of this machine; the address of its API.

    Raises:
        AssertionError: with its log, if it ends before it answers.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--dtype", "float32"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    address = f"http://127.0.0.1:{port}"

    def is_healthy() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(is_healthy, "transformers serve")
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait()

"""The user's address: what is posted, when it is tried again, and that it is never shown."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.session.telling.webhook import body_of, post
from tests.support.notified import HOSTILE, TOKEN, Chat, chatting, news
from tests.support.patience import wait_until


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


def tried(chat: Chat, retries: int = 3) -> tuple[str | None, list[float]]:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return False

    return post(chat.address, news(), 60.0, retries, wait), waited


def test_news_are_posted_as_json(chat: Chat) -> None:
    assert tried(chat) == (None, [])
    posted = chat.posted[0]
    assert posted["event"] == "new-best" and posted["best_template"] == HOSTILE
    assert posted["text"] == posted["content"] == "my run: new best: step 2: 60.0%"
    assert posted["allowed_mentions"] == {"parse": []}


def test_a_template_is_no_link_and_calls_nobody() -> None:
    said = json.loads(body_of(news("60.0% <!channel> <category>")))["text"]
    assert "<" not in said and ">" not in said


def test_it_is_tried_again_where_that_may_help(chat: Chat) -> None:
    chat.answers = [503, 429]
    assert tried(chat) == (None, [1.0, 2.0])
    assert len(chat.posted) == 3


def test_tries_come_to_an_end(chat: Chat) -> None:
    chat.answers = [500] * 10
    wrong, waited = tried(chat, retries=2)
    assert wrong == "the webhook: its server answers 500 (tried 3 times)"
    assert waited == [1.0, 2.0] and len(chat.posted) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_taken_for_one(chat: Chat, status: int) -> None:
    chat.answers = [status]
    wrong, waited = tried(chat)
    assert wrong == f"the webhook: its server answers {status}" and not waited


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_other_place_is_told(chat: Chat, status: int) -> None:
    chat.answers = [status]
    wrong, _ = tried(chat)
    assert wrong is not None and "leads elsewhere" in wrong
    assert chat.asked == [f"POST /hook/{TOKEN}"]


@pytest.mark.parametrize(
    "address",
    [
        f"http://127.0.0.1:1/{TOKEN}",
        f"http://{TOKEN}.invalid/x",
        f"http://127.0.0.1:1/\u00e9{TOKEN}",
        f"https://127.0.0.1:1/{TOKEN}",
    ],
)
def test_what_goes_wrong_is_said_without_the_address(address: str) -> None:
    wrong = post(address, news(), 5.0, 0, lambda _: False)
    assert wrong is not None and wrong.startswith("the webhook: ") and TOKEN not in wrong


@contextlib.contextmanager
def dripping(head: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers ``head`` at once and then a letter now and then, to whoever listens."""
    ended, asked = threading.Event(), list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                asked.append(connection.recv(65536))
                connection.sendall(head)
                while not ended.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/{TOKEN}", asked
        finally:
            ended.set()
            thread.join()


@contextlib.contextmanager
def signing_itself(folder: Path) -> Iterator[str]:
    """A server whose certificate nobody knows."""
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-keyout", "key.pem"]
    subprocess.run([*made, "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}/{TOKEN}"
        thread.join()


def test_a_server_that_never_ends_its_answer_is_left() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as (address, _):
        wrong = post(address, news(), 0.5, 0, lambda _: False)
    assert wrong == "the webhook: no answer within 0.5 s (notify.timeout)"


def test_what_was_taken_is_not_posted_again_for_a_body_that_never_ends() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") as (address, asked):
        assert post(address, news(), 60.0, 3, lambda _: False) is None
    assert len(asked) == 1


def trying() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "glov-webhook-try"]


def test_a_handshake_that_never_ends_is_cut() -> None:
    """A record of 16 KiB, of which a byte comes now and then: no wait for a byte is too long."""
    with dripping(b"\x16\x03\x03\x40\x00") as (address, _):
        secure = address.replace("http:", "https:")
        wrong = post(secure, news(), 0.5, 0, lambda _: False)
        assert wrong == "the webhook: no answer within 0.5 s (notify.timeout)"
        wait_until(lambda: not trying())


def test_a_lookup_of_a_name_that_hangs_holds_up_nothing_and_tells_nothing_later(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, asked = threading.Event(), socket.getaddrinfo

    def hangs(host: str, port: int, *how: int) -> list:
        assert goes_on.wait(600)
        return asked("127.0.0.1", chat.server_port, *how)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    wrong = post(f"http://slow.invalid/{TOKEN}", news(), 0.2, 1, lambda _: False)
    assert wrong == "the webhook: no answer within 0.2 s (notify.timeout) (tried 2 times)"
    goes_on.set()
    wait_until(lambda: not trying())
    assert not chat.posted, "it was given up, and said so"


def test_a_certificate_that_is_not_trusted_is_named_and_not_tried_again(tmp_path: Path) -> None:
    with signing_itself(tmp_path) as address:
        waited: list[float] = []
        wrong = post(address, news(), 60.0, 3, lambda seconds: bool(waited.append(seconds)))
    assert wrong is not None and "does not trust its certificate" in wrong and not waited


def test_there_is_no_other_try_where_there_is_no_time(chat: Chat) -> None:
    chat.answers = [503, 503]
    wrong = post(chat.address, news(), 60.0, 3, lambda _: True)
    assert wrong == "the webhook: its server answers 503" and len(chat.posted) == 1

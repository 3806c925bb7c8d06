"""Posting news to the user's address. It may hold a token: no message and no log has a part of it.

The body is JSON with the fields of ``News``, and ``text`` and ``content`` as chats want them
(Slack, Mattermost; Discord, where ``allowed_mentions`` keeps a template from calling people).
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO, Any, Self, TypeVar

import engine
from engine.run.news import News

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0  # before the next try; twice as long each time
_AGAIN = (408, 425, 429)  # and all from 500 on: another try may be taken

_C = TypeVar("_C", bound=HTTPConnection)


class _Limit:
    """Cuts a try's connections at the end of its time.

    The time limit of a socket is for each byte: a server that sends one now and then never ends.
    """

    def __init__(self, seconds: float) -> None:
        self._connections: list[HTTPConnection] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.is_over = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def connecting(self, kind: type[_C]) -> Callable[..., _C]:
        """What makes connections of this kind."""

        def connect(*given: Any, **named: Any) -> _C:
            connection = kind(*given, **named)
            self._connections.append(connection)
            return connection

        return connect

    def _cut(self) -> None:
        self.is_over = True
        for connection in self._connections:
            with contextlib.suppress(OSError, AttributeError):  # closed by now
                connection.sock.shutdown(socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, limit: _Limit) -> None:
        super().__init__()
        self._limit = limit

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(self._limit.connecting(HTTPConnection), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, limit: _Limit) -> None:
        super().__init__()
        self._limit = limit

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(self._limit.connecting(HTTPSConnection), req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address is what the user gave; news and token go nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def body_of(news: News) -> bytes:
    """What is posted."""
    # In chats <...> is a link or calls somebody, and a template has <category> in it.
    said = f"{news.title}: {news.text}".replace("<", "‹").replace(">", "›")
    document: dict[str, Any] = {
        **news.model_dump(mode="json"),
        "sentence": news.text,
        "text": said,
        "content": said,
        "allowed_mentions": {"parse": []},
    }
    return json.dumps(document).encode()


def post(
    address: str,
    news: News,
    seconds: float,
    retries: int,
    wait: Callable[[float], bool],
) -> str | None:
    """Post it; returns what went wrong, if anything, without a word of the address.

    Args:
        address: http or https, checked before.
        news: what is told.
        seconds: for each try.
        retries: how often it is tried again where that may help.
        wait: waits so many seconds; true where there is no time for another try.
    """
    pause, tries = FIRST_WAIT_SECONDS, 0
    while True:
        tries += 1
        wrong, again = _try(address, body_of(news), seconds)
        if wrong is None:
            return None
        if not again or tries > retries or wait(pause):
            return f"the webhook: {wrong}" + (f" (tried {tries} times)" if tries > 1 else "")
        pause = min(2 * pause, LONGEST_WAIT_SECONDS)


def _try(address: str, body: bytes, seconds: float) -> tuple[str | None, bool]:
    """What went wrong, if anything, and whether another try may help."""
    with _Limit(seconds) as limit:
        wrong, again = _ask(limit, address, body, seconds)
    if limit.is_over:  # what was cut can look like a short answer
        return f"no answer within {seconds:g} s (notify.timeout)", True
    return wrong, again


def _ask(limit: _Limit, address: str, body: bytes, seconds: float) -> tuple[str | None, bool]:
    opener = urllib.request.build_opener(_NoRedirect, _Http(limit), _Https(limit))
    headers = {"Content-Type": "application/json", "User-Agent": f"glov/{engine.__version__}"}
    try:
        request = urllib.request.Request(address, body, headers, method="POST")
        with opener.open(request, timeout=seconds):
            return None, False  # taken, whatever else the server has to say
    except urllib.error.HTTPError as error:
        with error:
            again = error.code in _AGAIN or error.code >= 500
            moved = ", which leads elsewhere" if 300 <= error.code < 400 else ""
            return f"its server answers {error.code}{moved}", again
    except TimeoutError:
        return f"no answer within {seconds:g} s (notify.timeout)", True
    except (OSError, HTTPException, ValueError) as error:
        # Their words may have the address in them; the kind of error does not.
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return f"no answer within {seconds:g} s (notify.timeout)", True
        return f"it can't be reached ({type(reason).__name__})", True

"""Posting news to the user's address. It may hold a token: no message and no log has a part of it.

The body is JSON with the fields of ``News``, and ``text`` and ``content`` as chats want them
(Slack, Mattermost; Discord, where ``allowed_mentions`` keeps a template from calling people).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO, Any

import engine
from engine.run.news import News

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0  # before the next try; twice as long each time
CUT_SECONDS = 0.5  # for a try that was cut to end
_AGAIN = (408, 425, 429)  # and all from 500 on: another try may be taken


class _Limit:
    """Cuts a try's connection at the end of its time.

    The time limit of a socket is for each byte: a server that sends one now and then never ends.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.is_over = False

    def watch(self, connected: socket.socket) -> None:
        """Have this one cut.

        Raises:
            TimeoutError: if it is too late: nothing is to be said any more.
        """
        with contextlib.suppress(OSError):  # no file descriptors left
            # A second descriptor of the same connection: TLS takes the first one away.
            self._sockets.append(connected.dup())
        if self.is_over:
            self.cut()
            raise TimeoutError

    def cut(self) -> None:
        """End all that is under way."""
        self.is_over = True
        for connected in self._sockets:
            with contextlib.suppress(OSError):  # closed by the other side
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connections."""
        for connected in self._sockets:
            connected.close()


class _Watched(HTTPConnection):
    """A connection that is watched from the moment when it is there, so in TLS's handshake too."""

    limit: _Limit

    def connect(self) -> None:
        # A name's lookup can't be cut: what comes of it after the end is thrown away here.
        super().connect()
        self.limit.watch(self.sock)


class _WatchedTLS(HTTPSConnection, _Watched):
    """The same with TLS, which ``HTTPSConnection`` begins after the connection of ``_Watched``."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, limit: _Limit) -> None:
        super().__init__()
        self._limit = limit

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_making(_Watched, self._limit), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, limit: _Limit) -> None:
        super().__init__()
        self._limit = limit

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_making(_WatchedTLS, self._limit), req)


def _making(kind: type[_Watched], limit: _Limit) -> Any:
    def make(*given: Any, **named: Any) -> _Watched:
        connection = kind(*given, **named)
        connection.limit = limit
        return connection

    return make


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
    """What went wrong, if anything, and whether another try may help.

    It is made on a thread that is left behind where its time is over: looking a name up can take
    a minute, and nothing ends it.
    """
    limit = _Limit()
    answers: list[tuple[str | None, bool]] = []

    def ask() -> None:
        try:
            answers.append(_ask(limit, address, body, seconds))
        except Exception as error:  # a defect of ours
            answers.append((f"it can't be asked ({type(error).__name__})", False))
        finally:
            limit.close()

    asking = threading.Thread(target=ask, name="glov-webhook-try", daemon=True)
    asking.start()
    asking.join(seconds)
    if asking.is_alive():
        limit.cut()
        asking.join(CUT_SECONDS)  # what was cut can look like a short answer
        return f"no answer within {seconds:g} s (notify.timeout)", True
    return answers[0]


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
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return f"no answer within {seconds:g} s (notify.timeout)", True
        # Another try finds the same certificate.
        return _in_words(reason), not isinstance(reason, ssl.SSLCertVerificationError)


def _in_words(reason: object) -> str:
    """What kept it from being reached. The error's own words may have the address in them."""
    match reason:
        case ssl.SSLCertVerificationError():
            return (
                "this machine does not trust its certificate (SSL_CERT_FILE names a file with one "
                "of your own)"
            )
        case socket.gaierror():
            return "it can't be reached: its host's name leads nowhere"
        case OSError(errno=int(number)) if number in errno.errorcode:
            return f"it can't be reached: {os.strerror(number)}"
    return f"it can't be reached ({type(reason).__name__})"

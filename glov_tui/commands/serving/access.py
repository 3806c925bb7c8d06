"""Who is let in: who has the token, from a page of this server's own. Pure.

The token comes once, in the address that was printed; a cookie stands for it from then on, so that
it leaves the address bar. The cookie does not hold the token itself: a browser sends it to whatever
else listens on the same host.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from hmac import compare_digest
from urllib.parse import urlsplit

from engine.common.errors import ConfigError

TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,200}")


class Access:
    """The rules of one server."""

    def __init__(self, token: str | None) -> None:
        """``token`` is None where everybody is let in who can reach the server."""
        self._token = token
        digest = hashlib.sha256(f"glov serve {token}".encode()).hexdigest()
        self.cookie_name = f"glov-{digest[:8]}"  # cookies do not know ports: one for each server
        self.cookie = digest[8:]

    def is_token(self, text: str) -> bool:
        """Whether that is the token, in a time that does not tell how much of it is right."""
        return self._token is None or compare_digest(text.encode(), self._token.encode())

    def is_let_in(self, cookie: str | None) -> bool:
        """Whether a request that brings this cookie is answered."""
        if self._token is None:
            return True
        return cookie is not None and compare_digest(cookie.encode(), self.cookie.encode())

    def is_host_allowed(self, host: str) -> bool:
        """Whether a request may be addressed so (its header ``Host``).

        Without a token only this machine's own names may: another page's name could be made to
        lead here (DNS rebinding), and that page would then be one of this server's.
        """
        return self._token is not None or is_loopback(_name(host))

    @staticmethod
    def is_own_page(origin: str | None, host: str) -> bool:
        """Whether a websocket is opened by a page of this server: ``Origin`` names the same host.

        Other pages can open one too, and the browser sends the cookie along.
        """
        if origin is None:
            return False
        try:
            return urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False


def new_token() -> str:
    """A token that can't be guessed."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def check_token(text: str) -> str:
    """The token, if it can stand in an address as it is.

    Raises:
        ConfigError: if it can't, or is short enough to be guessed.
    """
    if _TOKEN.fullmatch(text):
        return text
    raise ConfigError(
        "--token: give 8 to 200 letters, digits and - . _ ~, or leave it out for a random one"
    )


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, that nobody else can reach."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """Of ``Host`` without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""

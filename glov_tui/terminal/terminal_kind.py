"""What the terminal can show, told from the environment; and plain twins for what it can't."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from rich.cells import cell_len

PLAIN_TERMINALS = ("dumb", "linux", "vt100", "vt102", "vt220", "ansi", "cons25")
"""Values of TERM whose fonts lack the chart's symbols."""


def speaks_unicode(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal shows Unicode, by the locale (LC_ALL, LC_CTYPE, LANG) and TERM.

    An explicit C or POSIX locale, or one of another charset than UTF-8, means plain ASCII; no
    locale at all is taken for one that was not set up, as Python does, and means Unicode.
    """
    environ = _environ_at_start() if environ is None else environ
    if environ.get("TERM", "") in PLAIN_TERMINALS:
        return False
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = environ.get(name)
        if value:
            return value.lower().partition("@")[0].replace("-", "").endswith("utf8")
    return True


def wants_colour(environ: Mapping[str, str] | None = None) -> bool:
    """Whether colours may be used: not with NO_COLOR set to anything, nor on a dumb terminal."""
    environ = os.environ if environ is None else environ
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def shows_shades(environ: Mapping[str, str] | None = None) -> bool:
    """Whether near colours can be told apart: of a terminal of 16, several shades become one.

    It is what Rich tells from COLORTERM and TERM; one without a name is taken for a good one.
    """
    environ = os.environ if environ is None else environ
    term = environ.get("TERM", "").strip().lower()
    many = environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit")
    many = many or not term or term.rpartition("-")[2] in ("256color", "kitty")
    asked = environ.get("TEXTUAL_COLOR_SYSTEM", "").strip().lower()  # a page of a browser
    many = asked in ("truecolor", "256") or (many and asked != "standard")
    return many and wants_colour(environ)


def _environ_at_start() -> Mapping[str, str]:
    # Python replaces a C locale by LC_CTYPE=C.UTF-8 in its environment (PEP 538), which hides
    # what the user has set. The kernel still has it.
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        found = dict(os.environ)
        if found.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
            del found["LC_CTYPE"]
        return found
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _, value in pairs if name}


_PLAIN = {
    "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "~", "•": "*", "·": ".",
    "×": "x", "±": "~", "←": "<", "→": ">", "↑": "^", "↓": "v", "■": "#", "□": "o", "●": "*",
    "○": "o", "✓": "+", "✔": "+", "✗": "x", "✕": "x", "✘": "x", "⭘": "O", "━": "-", "╸": "-",
    "╺": "-", "╴": "-", "╶": "-", "┃": "|", "╵": "|", "╷": "|", "╹": "|", "╻": "|", "═": "-",
    "║": "|", "\N{NO-BREAK SPACE}": " ", "▔": "-", "▁": "_", "░": ".", "▒": ":", "▓": "#",
    "█": "#", "▕": "|", "▏": "|", "▎": "|", "▍": "|", "▀": '"', "▄": "_", "▐": "|", "▌": "|",
    "▶": ">", "◀": "<", "▲": "^", "▼": "v", "▸": ">", "▾": "v", "►": ">", "◄": "<", "⏵": ">",
    "❯": ">", "⌄": "v",
}  # fmt: skip
_BRAILLE_BY_DOTS = " ..::+*##"


def _plain(character: str) -> str:
    """An ASCII text as wide as the character."""
    if character in _PLAIN:
        return _PLAIN[character]
    code = ord(character)
    if 0x2800 <= code <= 0x28FF:
        return _BRAILLE_BY_DOTS[(code & 0xFF).bit_count()]
    if 0x2500 <= code <= 0x257F:
        name = unicodedata.name(character)
        if "DIAGONAL" in name:
            return "/"
        if " AND " in name:
            return "+"
        return "-" if name.endswith(("HORIZONTAL", "LEFT", "RIGHT")) else "|"
    if 0x2580 <= code <= 0x259F:
        return "#"
    width = cell_len(character)
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters if letters.isprintable() and len(letters) == width else "?" * width


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


codecs.register_error("glov-plain", _replace)


def encode_plain(text: str) -> bytes:
    """ASCII for a terminal that knows nothing else, every character as wide as it was.

    UTF-8 would not only look wrong there: bytes of it can be control characters to it.
    """
    return text.encode("ascii", "glov-plain")

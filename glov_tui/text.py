"""Untrusted text made harmless: what is shown never moves the cursor or changes the screen."""

from __future__ import annotations

import unicodedata

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str, keep_newlines: bool = False) -> str:
    """``text`` without control characters, escape sequences' leaders and bidi controls.

    Each becomes U+FFFD, tabs and line ends a space (or stay, with ``keep_newlines``), so that a
    reader sees that something was there.
    """
    result = []
    for character in text:
        if character == "\n":
            result.append("\n" if keep_newlines else " ")
        elif character in "\t\r":
            result.append(" ")
        elif character in _BIDI or unicodedata.category(character) in ("Cc", "Cs"):
            result.append("\ufffd")
        else:
            result.append(character)
    return "".join(result)

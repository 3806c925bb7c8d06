"""Untrusted text made harmless: what is shown never moves the cursor or changes the screen."""

from __future__ import annotations

import re

# Control characters and halves of surrogate pairs.
_CONTROL = "\x00-\x1f\x7f-\x9f\ud800-\udfff"
# What is not seen, or changes how the rest is seen: characters of no width, directions of writing,
# line separators, blank letters and tags (Unicode's Default_Ignorable_Code_Point). Selectors of a
# variant (U+FE00 to U+FE0F) stay, as emoji have them.
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[{_CONTROL}{_HIDDEN}]")
_UNSAFE_IN_DOCUMENT = re.compile(f"(?![\t\n])[{_CONTROL}{_HIDDEN}]")
_SPACES = {"\t": " ", "\r": " "}


def clean(text: str, keep_newlines: bool = False) -> str:
    """``text`` without control characters, escape sequences' leaders and what can't be seen.

    Each becomes U+FFFD, tabs and line ends a space (or stay, with ``keep_newlines``), so that a
    reader sees that something was there. The length stays.
    """
    known = {**_SPACES, "\n": "\n" if keep_newlines else " "}
    return _UNSAFE.sub(lambda found: known.get(found[0], "\ufffd"), text)


def escape_json(document: str) -> str:
    """A JSON document in which all that ``clean`` replaces is escaped; it says the same."""
    return _UNSAFE_IN_DOCUMENT.sub(lambda found: _units(found[0]), document)


def escape_toml(document: str) -> str:
    """A TOML document in which all that ``clean`` replaces is escaped.

    It says the same where such characters are in basic strings only, as ``format_config`` writes.
    """
    return _UNSAFE_IN_DOCUMENT.sub(lambda found: f"\\U{ord(found[0]):08x}", document)


def _units(character: str) -> str:
    pairs = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pairs[i : i + 4]}" for i in range(0, len(pairs), 4))

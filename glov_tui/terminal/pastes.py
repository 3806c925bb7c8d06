"""What is pasted: text in the order in which it came, and nothing in it that steers a screen.

Textual's parser looks for keys inside a paste as well: an arrow's sequence in it is lost, and two
escapes are keys that come before the text. So no escape inside a paste reaches it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.message import Message

from glov_tui.common.text import clean

BEGIN, END = "\x1b[200~", "\x1b[201~"
ESCAPE = "\x1b"
MARK = "\ufffd"
_JOINERS = re.compile("([\u200c\u200d])")  # Persian and Indic scripts are written with them


def pasted(text: str) -> str:
    """What of a pasted text goes into a field: its lines, with a mark for what can't be seen.

    Those are control characters, directions of writing and the like, as in ``clean``.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        part if _JOINERS.match(part) else clean(part, keep_newlines=True)
        for part in _JOINERS.split(lines)
    )


class PasteGuard:
    """What a terminal sends, in pieces cut anywhere, with a mark for each escape in a paste."""

    def __init__(self) -> None:
        self._inside = False
        self._before = ""  # outside: what was let through last. Inside: held back, perhaps the end

    def feed(self, data: str) -> str:
        """What to give to the parser now; inside a paste it may be nothing yet."""
        out = []
        while data:
            known = self._before
            text = known + data
            at = text.find(END if self._inside else BEGIN)
            if at >= 0:
                end = at + len(END)
                shown = text[:at].replace(ESCAPE, MARK) + END if self._inside else text[:end]
                out.append(shown if self._inside else shown[len(known) :])
                self._inside, self._before, data = not self._inside, "", text[end:]
                continue
            if self._inside:
                self._before = _begun(text, END)
                whole = text.removesuffix(self._before)
                out.append(whole.replace(ESCAPE, MARK))
            else:
                self._before = _begun(text, BEGIN)
                out.append(data)  # an escape alone may be a key
            break
        return "".join(out)


def _begun(text: str, sequence: str) -> str:
    """The longest end of ``text`` with which ``sequence`` begins."""
    lengths = range(min(len(text), len(sequence) - 1), 0, -1)
    return next((text[-n:] for n in lengths if sequence.startswith(text[-n:])), "")


class PasteParser(XTermParser):
    """Textual's parser, for which pastes are text only."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._guard = PasteGuard()

    def feed(self, data: str) -> Iterable[Message]:
        """The messages in what the terminal sent; nothing at all is its end."""
        plain = self._guard.feed(data)
        return super().feed(plain) if plain or not data else ()

"""From token ids to text while the tokens come in, without ever showing half a character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_REPLACEMENT = "\ufffd"  # what a decoder puts where bytes are no UTF-8 (yet)


class TextStream:
    """The text of one reply, in pieces that concatenate to ``text``.

    A character can span several tokens, a token can end inside a character, and some tokenizers
    drop the space before a first word; so a piece is the difference between two decodings of the
    last few tokens, less the bytes at its end that are no character yet. Special tokens are left
    out.
    """

    def __init__(self, tokenizer: Any, before: Sequence[int] = ()) -> None:
        """``before``: tokens whose text the reply goes on from; no part of it."""
        self._tokenizer = tokenizer
        self._ids: list[int] = list(before)
        self._context = 0  # decoding starts here ...
        self._shown = len(before)  # ... and the text up to here was handed out,
        self._ahead = 0  # and so many characters of what follows, whose last token is cut
        self._before = len(before)
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was handed out; bytes that never became a character are dropped."""
        return "".join(self._pieces)

    @property
    def tokens(self) -> int:
        """Number of tokens read."""
        return len(self._ids) - self._before

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character is unfinished."""
        self._ids.append(token)
        before = self._decode(self._ids[self._context : self._shown])
        after = self._decode(self._ids[self._context :])
        whole = after.rstrip(_REPLACEMENT)
        piece = whole[len(before) + self._ahead :]
        if len(whole) < len(after):
            self._ahead += len(piece)
        elif len(after) > len(before):
            self._context, self._shown, self._ahead = self._shown, len(self._ids), 0
        if piece:
            self._pieces.append(piece)
        return piece

    def _decode(self, ids: list[int]) -> str:
        if not ids:
            return ""
        text: str = self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

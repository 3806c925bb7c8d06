"""The tokens that a steering text is read as: its own, and those around it.

The first token of any sequence is an attention sink: from some layer on its state has many times
the usual norm (SmolLM2-135M, layer 16 of 30: 25,000 beside 190), whatever token it is. A mean over
a text's states is about the text only where something else stands in front of it. Most tokenizers
put BOS there; Qwen2, SmolLM2 and many more put nothing, so that we put a special token there. Which
one matters little (SmolLM2: BOS and EOS give directions of cosine 0.997), that both texts get the
same one matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TextTokens:
    """The ids of one text: ``before`` and ``after`` are special tokens that are not words of it."""

    before: tuple[int, ...]
    own: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def whole(self) -> list[int]:
        """The text as the tokenizer reads it, no chat template."""
        return [*self.before, *self.own, *self.after]


@dataclass(frozen=True, slots=True)
class Front:
    """What stands in front of both texts of a pair: ``ids``, at least one.

    ``put`` is the token's text where it was put there, None where the tokenizer adds its own.
    """

    ids: tuple[int, ...]
    put: str | None


def split_tokens(tokenizer: Any, text: str) -> TextTokens:
    """The text's own tokens, and what the tokenizer adds: BOS, CLS or several, and EOS or SEP.

    Special tokens that the text itself begins or ends with count as added: they are no words.
    """
    whole = _ids(tokenizer, text, True)
    plain = _ids(tokenizer, text, False)
    start = _find(whole, plain)
    special = set(tokenizer.all_special_ids)
    # Where special tokens change how the words are read, or are always there, only these tell.
    start, end = (0, len(whole)) if start is None else (start, start + len(plain))
    while end > start and whole[end - 1] in special:
        end -= 1
    while start < end and whole[start] in special:
        start += 1
    return TextTokens(tuple(whole[:start]), tuple(whole[start:end]), tuple(whole[end:]))


def find_front(tokenizer: Any, texts: Sequence[TextTokens], vocabulary: int) -> Front:
    """What the tokenizer adds in front, where it does so to both texts or to one; else a token.

    That token is BOS, else EOS, else any other special token, else the first one of a line end.
    ``vocabulary``: number of tokens that the model knows; a tokenizer may have more.

    Raises:
        ValueError: if there is no such token.
    """
    longest = max((text.before for text in texts), key=len)
    if longest:
        return Front(longest, None)
    for token in _candidates(tokenizer):
        if 0 <= token < vocabulary:
            return Front((token,), str(tokenizer.decode([token])))
    raise ValueError("the tokenizer has no token to put in front of a text")


def _candidates(tokenizer: Any) -> Iterator[int]:
    for name in ("bos", "eos", "cls", "sep", "pad"):
        token = getattr(tokenizer, f"{name}_token_id", None)
        if token is not None:
            yield token
    yield from tokenizer.all_special_ids
    yield from _ids(tokenizer, "\n", False)


def _ids(tokenizer: Any, text: str, special: bool) -> list[int]:
    return [int(i) for i in tokenizer(text, add_special_tokens=special)["input_ids"]]


def _find(whole: Sequence[int], part: Sequence[int]) -> int | None:
    """Where ``part`` begins in ``whole``."""
    places = range(len(whole) - len(part) + 1)
    return next((i for i in places if whole[i : i + len(part)] == part), None)

"""How much of a text a text tower reads, counted with the model's own tokenizer.

A text tower has room for so many tokens (77 in CLIP, 64 in SigLIP), special ones included, and its
tokenizer drops the rest without a word. What is dropped at the end of a class text is lost to the
template's score; where the class name itself is dropped, classes become one text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.common.names import some_names
from engine.prompts.template import PLACEHOLDER

_SEAM = 8  # tokens that a name may cost more inside a text than alone
_SPECIAL = 4  # most special tokens that a tokenizer adds to a text
_NAMED = 3


@dataclass(frozen=True, slots=True)
class TextFit:
    """How the class texts of a template fit into ``limit`` tokens.

    Of ``classes`` texts, ``cut`` lose their end, and ``lost`` of them are then read as the text of
    another class, although the names are not.
    """

    classes: int
    limit: int
    cut: int = 0
    lost: int = 0


class TextContext:
    """Counts the tokens of class texts; the class names are the data set's."""

    def __init__(
        self, tokenizer: Callable[[list[str]], Tensor], class_names: Sequence[str]
    ) -> None:
        """``tokenizer``: of an open_clip model; texts to (texts, context) token ids."""
        self._tokenizer = tokenizer
        self._names = list(class_names)
        self._rows = self._read(self._names)  # of the names alone
        self._counts = [self.count(name) for name in self._names]
        self.limit = int(tokenizer(["a"]).shape[1])

    def count(self, text: str) -> int:
        """Tokens of the whole text, with special ones; 0 where the tokenizer can't be asked."""
        tokenizer: Any = self._tokenizer
        inner = getattr(tokenizer, "tokenizer", None)  # of transformers, wrapped
        if callable(inner):
            clean = getattr(tokenizer, "clean_fn", _as_it_is)
            clips = getattr(tokenizer, "tokenizer_mode", "") == "clips"
            ids = inner(clean(text), add_special_tokens=not clips, verbose=False)["input_ids"]
            return len(ids) + (3 if clips else 0)
        if callable(getattr(tokenizer, "encode", None)):
            return len(tokenizer.encode(text)) + 2
        return 0

    def fit(self, template: str) -> TextFit:
        """How the template's texts fit, with each class name in place of ``<category>``."""
        whole = TextFit(len(self._names), self.limit)
        if self._fits_surely(template):
            return whole
        texts = [template.replace(PLACEHOLDER, name) for name in self._names]
        cut = sum(self._is_cut(text) for text in texts)
        if not cut:
            return whole
        return TextFit(len(texts), self.limit, cut, self._lost(texts))

    def remarks(self) -> list[str]:
        """Sentences on class names that are long, and on those that are one to the tokenizer."""
        said = []
        counted = zip(self._names, self._counts, strict=True)
        long = [name for name, count in counted if count > self.limit // 2]
        if long:
            said.append(
                f"class names that fill more than half of the {self.limit} tokens that the VLM "
                f"reads of a text, so that templates may be cut: {_shortened(long)}"
            )
        by_row: dict[bytes, list[str]] = defaultdict(list)
        for name, row in zip(self._names, self._rows, strict=True):
            by_row[row].append(name)
        said += [
            f"the VLM's tokenizer reads these class names as one: {_shortened(names)}"
            for names in by_row.values()
            if len(names) > 1
        ]
        return said

    def _fits_surely(self, template: str) -> bool:
        """Without counting each class's text, which would take as long as reading them."""
        longest = max(map(len, self._names))
        occurrences = template.count(PLACEHOLDER)
        bound = len(template) + occurrences * longest + _SPECIAL  # a token has a character or more
        if bound <= self.limit and template.isascii() and all(map(str.isascii, self._names)):
            return True
        frame = self.count(template.replace(PLACEHOLDER, " "))
        return 0 < frame <= self.limit - occurrences * (max(self._counts) + _SEAM)

    def _is_cut(self, text: str) -> bool:
        count = self.count(text)
        if count:
            return count > self.limit
        more = self._read([text, f"{text} {text}"])  # what comes after it is not read either
        return more[0] == more[1]

    def _lost(self, texts: Sequence[str]) -> int:
        names_by_text: dict[bytes, set[bytes]] = defaultdict(set)
        read = self._read(texts)
        for text, name in zip(read, self._rows, strict=True):
            names_by_text[text].add(name)
        return sum(len(names_by_text[text]) > 1 for text in read)

    def _read(self, texts: Sequence[str]) -> list[bytes]:
        """What the tower gets of each text, as bytes."""
        return [row.tobytes() for row in self._tokenizer(list(texts)).numpy()]


def _shortened(names: Sequence[str]) -> str:
    return some_names([name if len(name) <= 40 else f"{name[:39]}…" for name in names], _NAMED)


def _as_it_is(text: str) -> str:
    return text

"""A prompt template: its placeholder, when two count as the same, and why a text is none."""

from __future__ import annotations

import functools
import re
import unicodedata
from enum import StrEnum

from engine.common.patterns import alternatives

PLACEHOLDER = "<category>"
"""Where the class name goes."""

FINAL_PUNCTUATION = ".!?…。！？．｡؟।॥۔"


_NAME = alternatives(
    r"""(?:object|class|category)[ _-]?(?:names?|labels?)|categor(?:y|ies)|class(?:es)?|cls|c|label
    |name of (?:the )?(?:category|class)|kategorien?|klassen?|klassenname|cat[ée]gories?|classe
    |categor[ií]as?|clase|категори[яию]|класс|类别|類別|类名|カテゴリー?|クラス|카테고리|클래스|فئة|الفئة|קטגוריה"""
)
PLACEHOLDER_SPELLINGS = re.compile(
    r"<category>[^<>\n]{0,40}</category>"
    rf"|\$?[<‹＜〈《{{｛\[［【]{{1,2}}\|?\s?(?:the |a )?{_NAME}(?: here)?"
    r"\s?[|/]?[>›＞〉》}｝\]］】]{1,2}"
    r"|\{{1,2}\s?0?\s?\}{1,2}",
    re.IGNORECASE,
)
_SAME_QUOTE = str.maketrans(
    {**dict.fromkeys("“”„‟＂〝〞〟«»", '"'), **dict.fromkeys("‘’‚‛´`＇ʼ", "'")}
)


@functools.lru_cache(maxsize=4096)  # asked several times for each reply, by each who folds
def normalise(template: str) -> str:
    """The key by which templates count as the same: letter case, width, spacing, kinds of quotes,
    outer quotes, final punctuation and the placeholder's spelling don't matter. Idempotent.
    """
    for _ in range(8):  # two or three rounds in practice: folding may need folding again
        key = unicodedata.normalize("NFKC", template).casefold().translate(_SAME_QUOTE)
        if not key.isprintable():  # most are, and this is a third of reading a long journal
            key = "".join(c for c in key if c.isspace() or unicodedata.category(c)[0] != "C")
        key = " ".join(PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, key).split())
        key = key.lstrip("\"' ").rstrip("\"' ,;:" + FINAL_PUNCTUATION)
        if key == template:
            break
        template = key
    return template


class RejectReason(StrEnum):
    """Why a reply gives no template; ``explanation`` says it in plain English."""

    EMPTY = "empty"
    NO_PLACEHOLDER = "no-placeholder"
    TOO_MANY_PLACEHOLDERS = "too-many-placeholders"
    QUESTION_OR_REFUSAL = "question-or-refusal"
    NOT_A_TEMPLATE = "not-a-template"
    OPEN_SLOT = "open-slot"
    UNFINISHED = "unfinished"
    TOO_LONG = "too-long"
    CUT_OFF = "cut-off"
    THOUGHT_TOO_LONG = "thought-too-long"
    ONLY_THOUGHT = "only-thought"

    @property
    def explanation(self) -> str:
        """One line for users."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    RejectReason.EMPTY: "The reply has no words.",
    RejectReason.NO_PLACEHOLDER: f"The reply lacks the placeholder {PLACEHOLDER}.",
    RejectReason.TOO_MANY_PLACEHOLDERS: f"A template can't have so many {PLACEHOLDER}.",
    RejectReason.QUESTION_OR_REFUSAL: "The LLM asked back or declined.",
    RejectReason.NOT_A_TEMPLATE: "The reply talks about templates but gives none.",
    RejectReason.OPEN_SLOT: f"The template has a blank to fill in other than {PLACEHOLDER}.",
    RejectReason.UNFINISHED: "The sentence with the placeholder is unfinished.",
    RejectReason.TOO_LONG: "The template is longer than allowed.",
    RejectReason.CUT_OFF: f"What the VLM reads of the template ends before {PLACEHOLDER}.",
    RejectReason.THOUGHT_TOO_LONG: "The thought did not end: raise sampling.thinking_tokens.",
    RejectReason.ONLY_THOUGHT: "The LLM thought, and then said nothing.",
}

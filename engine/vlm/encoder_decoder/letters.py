"""Which of four lettered options an answer names, if it names exactly one.

The rules, each asked where those before it find nothing:

1. The whole answer is a letter, however it is decorated: ``B``, ``(b)``, ``**B.**``, ``Option B``.
2. It says so: ``the answer is B``, ``answer: (B)``, ``I choose option B``.
3. A letter is marked at the begin or at the end: ``B) a dog ...``, ``... so it is (B).``
4. It has the text of exactly one option.

Two different letters, or texts, are none: a failure is never a guess. A letter or text behind a
"not" doesn't count. ``A`` before a word is an article: "A dog is here" names the option "dog" if
there is one, and else nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

LETTERS = "ABCD"
LONGEST = 2000  # characters of an answer that are read

_OPEN, _CLOSE = r"[(\[{*_\"'“‘`$<]{0,4}", r"[)\]}*_\"'”’`$>.,:;!]{0,6}"
_LETTER = r"(?P<letter>[A-Da-d])(?![\w'’-])"
_REASON = r"(?:because|since|as|for|but|given|due|with|,|;|\.|:)"
_ARTICLE = re.compile(rf"[ \n]{{1,3}}(?!{_REASON}(?!\w))\w")
_WHOLE = re.compile(
    rf"\W{{0,6}}(?:(?:(?:the|my) )?(?:correct |right |best |final )?"
    rf"(?:answer|option|choice|letter)(?: is)?\W{{0,4}}){{0,2}}{_OPEN}{_LETTER}{_CLOSE}\s*",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\b(?:(?:answer|option|choice|letter)(?: (?:is|was|must be|should be|would be)|[:=])"
    r"|(?:go with|answer with|answer is|it is|it's|must be) (?:option|letter|choice)"
    r"|(?:choose|select|pick)(?: (?:option|letter|choice))?)"
    rf"[:\s]{{0,3}}(?:(?:option|letter|choice|answer)[:\s]{{0,2}})?{_OPEN}{_LETTER}",
    re.IGNORECASE,
)
_OTHER = re.compile(
    rf"{_CLOSE}\s?(?:or|and|/|&|,)\s?(?:option )?{_OPEN}{_LETTER}(?!\s?[a-z])", re.IGNORECASE
)
_AT_BEGIN = re.compile(
    rf"\W{{0,4}}(?:option |choice |letter )?{_OPEN}{_LETTER}(?:[)\]:*]|\.(?!\w)|,? [-–—] )",
    re.IGNORECASE,
)
_AT_END = re.compile(
    rf"(?:[(\[*]{{1,2}}{_LETTER}[)\]*]{{1,2}}|(?:\b(?:is|be|option|letter|choice)|[:=]|[.!?\n]) ?"
    rf"(?-i:(?P<bare>[A-D])))[.!\s]{{0,3}}$",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot be|rather than|than|instead of|unlike|except|without)"
    r"|n['’]t(?: be)?) (?:(?:the|an|a|option|letter|answer|choice) ){0,2}\W{0,2}$",
    re.IGNORECASE,
)
_BEFORE = 40  # characters before a letter or text that may negate it


def read_letter(answer: str, options: Sequence[str]) -> int | None:
    """The index of the option that an answer names, None if it names none or several.

    Never raises.

    Args:
        answer: any text of any length; the first ``LONGEST`` characters are read.
        options: four texts, as they were shown behind the letters A to D.
    """
    text = " ".join(unicodedata.normalize("NFKC", answer[:LONGEST]).split())
    if whole := _WHOLE.fullmatch(text):
        return _index(whole["letter"])
    for found in (set(_said(text)), set(_marked(text))):
        if len(found) > 1:
            return None
        if found:
            return found.pop()
    named = set(_texts(text, options))
    return named.pop() if len(named) == 1 else None


def _index(letter: str) -> int:
    return LETTERS.index(letter.upper())


def _said(text: str) -> Iterator[int]:
    for match in _SAYS.finditer(text):
        if _is_letter(text, match):
            yield _index(match["letter"])
            other = _OTHER.match(text, match.end())
            if other and _is_letter(text, other):
                yield _index(other["letter"])


def _marked(text: str) -> Iterator[int]:
    begin = _AT_BEGIN.match(text)
    if begin:
        yield _index(begin["letter"])
    end = _AT_END.search(text[-_BEFORE:])
    if end:
        start = max(0, len(text) - _BEFORE) + end.start("letter" if end["letter"] else "bare")
        if not _is_negated(text, start):
            yield _index(end["letter"] or end["bare"])


def _is_letter(text: str, match: re.Match[str]) -> bool:
    """Whether it is no article and nothing negates it."""
    letter, end = match["letter"], match.end("letter")
    if letter in "Aabcd" and _ARTICLE.match(text, end):
        return False
    return not _is_negated(text, match.start("letter"))


def _is_negated(text: str, start: int) -> bool:
    return _NEGATED.search(text[max(0, start - _BEFORE) : start]) is not None


def _texts(text: str, options: Sequence[str]) -> Iterator[int]:
    """The options whose texts stand in an answer; one inside a longer one's is not there."""
    plain = _plain(text)
    spans: list[tuple[int, int, int]] = []
    for index, option in enumerate(options):
        words = _plain(option)
        if words:
            pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
            spans += [(m.start(), m.end(), index) for m in pattern.finditer(plain)]
    for start, end, index in spans:
        inside = any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in spans)
        if not inside and not _is_negated(plain, start):
            yield index


def _plain(text: str) -> str:
    """In small letters and single spaces, ``_`` and ``-`` as one."""
    return " ".join(re.sub(r"[_-]", " ", unicodedata.normalize("NFKC", text)).casefold().split())

"""From one reply of the LLM to a question about an image, or an instruction to put before
questions, or to the reason why there is none.

Neither needs a placeholder, so what tells it from talk is where it stands: behind a label, in
quotation marks, with a question mark, or as the first line that is no preface.
"""

from __future__ import annotations

import re

from engine.prompts import reply_patterns as pat
from engine.prompts.message import Accept, Finish
from engine.prompts.reply import MAX_VERBATIM, Parsed, wordless_reason
from engine.prompts.reply_quotes import without_outer_quotes, without_stray_quotes
from engine.prompts.reply_text import (
    has_words,
    is_finished,
    plain_text,
    sentence_spans,
    split_lines,
)
from engine.prompts.template import RejectReason

MAX_LENGTH = 500  # characters

_ASKS = ("?", "？", "؟")
_LABEL = re.compile(
    r"(?:(?:my |the |a |one )?(?:new |next |final |improved |better |revised )?"
    r"(?:question|prompt|template|instruction|answer|output)s?(?: \d{1,2})?) ?[:：] ?",
    re.IGNORECASE,
)
_PLEASE = re.compile("please", re.IGNORECASE)
_STARTS = (pat.BULLET, pat.JSON_KEY, pat.SURE, pat.NUMBERED, pat.LABEL, _LABEL)


def parse_question(
    text: str,
    *,
    finish: Finish = "stop",
    accept: Accept = "clean",
    begun: str = "",
    asks: bool = True,
) -> Parsed:
    """Read the question out of a reply; of several the first one.

    Args:
        text: the reply, any text of any length; never raises.
        finish: as of ``parse_reply``.
        accept: "verbatim" takes the text as it came, without a preface, thoughts and quotes;
            "clean" takes whole sentences only; "usable" goes back to the last whole sentence.
        begun: what the reply was begun with: the line that begins so is the question.
        asks: a line that asks is taken before others; an instruction asks nothing, and may begin
            with "please".
    """
    if finish == "thinking":
        return Parsed(reason=RejectReason.THOUGHT_TOO_LONG)
    body, cut = plain_text(text, finish == "length")
    if not has_words(body):
        return Parsed(reason=wordless_reason(text, cut))
    raw = split_lines(body)
    declined = pat.REFUSAL.match(raw[0])
    if declined and not (
        any(_is_asking(line) for line in raw) if asks else _PLEASE.match(declined[0])
    ):
        return Parsed(reason=RejectReason.QUESTION_OR_REFUSAL)
    while len(raw) > 1 and raw[0][-1:] in (":", "："):
        raw.pop(0)
    if accept == "verbatim":
        whole = without_outer_quotes(_without_start(" ".join(raw)))
        if len(whole) > MAX_VERBATIM:
            return Parsed(reason=RejectReason.TOO_LONG)
        return Parsed(template=whole)
    read = [_question_of(line) for line in raw]
    # Where something else followed the last one, the LLM had ended it itself.
    lines = [(line, i == len(raw) - 1 and not ended) for i, (line, ended) in enumerate(read)]
    lines = [(line, last) for line, last in lines if has_words(line)]
    if not lines:
        return Parsed(reason=RejectReason.NOT_A_TEMPLATE)
    own = [item for item in lines if begun and item[0].startswith(begun.strip())]
    line, last = (own or [item for item in lines if asks and _is_asking(item[0])] or lines)[0]
    note = None if line == text.strip() else "took the question out of the reply"
    if cut and last and not is_finished(line):
        spans = sentence_spans(line)[:-1]
        if not spans or accept == "clean":
            return Parsed(reason=RejectReason.UNFINISHED)
        line, note = line[: spans[-1][1]].strip(), "removed a cut-off end"
    if len(line) > MAX_LENGTH:
        return Parsed(reason=RejectReason.TOO_LONG, note=f"{len(line)} characters")
    return Parsed(template=line, note=note)


def _is_asking(line: str) -> bool:
    return line.rstrip(pat.CLOSERS).endswith(_ASKS)


def _question_of(line: str) -> tuple[str, bool]:
    """A line without what was put before and around it, and without an echoed accuracy; and whether
    there was one behind it.
    """
    line, ended = _without_start(line), False
    for pattern in pat.ECHOES:
        found = pattern.search(line)
        if found and has_words(line[: found.start()]):
            line, ended = line[: found.start()].rstrip(), True
    line = without_stray_quotes(without_outer_quotes(line))
    return line.strip(), ended


def _without_start(line: str) -> str:
    for _ in range(3):
        for pattern in _STARTS:
            found = pattern.match(line)
            if found and has_words(line[found.end() :]):
                line = line[found.end() :].lstrip()
    return line

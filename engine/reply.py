"""From one reply of the LLM to a template, or to the reason why there is none.

Replies are untrusted text of any language: a template may stand in quotes, a list, a code fence or
JSON, behind a preface and before an explanation. Colons, apostrophes and words of the template
itself are never cut. Every pattern is linear in the length of the reply: quantifiers are bounded
where a match may start at many places.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from engine import reply_patterns as pat
from engine.prompt_template import FINAL_PUNCTUATION, PLACEHOLDER, RejectReason
from engine.reply_text import has_words, is_finished, plain_text, sentence_spans, split_lines

MAX_LENGTH = 300  # characters of a template: about CLIP's 77 tokens

_MAX_LINES = 50  # lines with the placeholder that are read
_MAX_EXTRA = 120  # characters of a descriptive sentence kept after the one with the placeholder
_MAX_ROUNDS = 4
_ECHO = "an accuracy"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A template, or the reason for rejecting the reply: exactly one of the two is given.

    ``note`` says what was cleaned ("removed quotes"), or the detail of a rejection ("[adjective]").
    """

    template: str | None = None
    reason: RejectReason | None = None
    note: str | None = None


# --- Public functions ---------------------------------------------------------------------------


def parse_reply(
    text: str, *, finish: Literal["stop", "length"] = "stop", max_length: int = MAX_LENGTH
) -> Parsed:
    """Read the template out of a reply.

    Of several listed templates the first valid one is taken. Sentences around the placeholder's
    belong to the template if they are short and describe; explanations do not.

    Args:
        text: the reply, any text of any length; never raises.
        finish: "length" if the LLM ran out of tokens, so that the last sentence may be cut off:
            then only whole sentences count.
        max_length: longest template in characters, at least 10 (the placeholder alone).
    """
    first = result = _parse_once(text, finish == "length", max_length)
    for _ in range(_MAX_ROUNDS):
        if result.template is None:
            return result
        # A template read again must stay as it is: nested wrapping comes off layer by layer.
        again = _parse_once(result.template, False, max_length)
        if again.template == result.template:
            return replace(first, template=result.template)
        result = again
    return Parsed(reason=RejectReason.NOT_A_TEMPLATE)


# --- The reply as a whole -----------------------------------------------------------------------


def _parse_once(text: str, cut: bool, max_length: int) -> Parsed:
    body, cut = plain_text(text, cut)
    if not has_words(body):
        only_thought = cut and pat.THOUGHT.search(text)
        return Parsed(reason=RejectReason.UNFINISHED if only_thought else RejectReason.EMPTY)
    lines = split_lines(body)
    found: list[_Line] = []
    for i, line in enumerate(lines):
        if PLACEHOLDER in line and len(found) < _MAX_LINES:
            announced = bool(pat.ANNOUNCED.search(lines[i - 1] + "\n" if i else ""))
            found.append(_read_line(line, cut and i == len(lines) - 1, max_length, announced))
    if not found:
        return Parsed(reason=_reason_without_placeholder(lines, cut))
    good = [line for line in found if line.template is not None]
    if not good:
        # The first line that is more than talk says best what is wrong.
        real = [line for line in found if line.reason is not RejectReason.NOT_A_TEMPLATE]
        telling = (real or found)[0]
        return Parsed(reason=telling.reason, note=telling.detail)
    # A line with an accuracy repeats the meta-prompt; "Final template:" comes after a draft.
    best = min(good, key=lambda line: (_ECHO in line.removed, not line.announced))
    notes = [f"removed {', '.join(best.removed)}"] if best.removed else []
    if len(good) > 1:
        which = "the first" if best is good[0] else f"number {good.index(best) + 1}"
        notes.append(f"took {which} of {len(good)} listed templates")
    return Parsed(template=best.template, note="; ".join(notes) or None)


def _reason_without_placeholder(lines: list[str], cut: bool) -> RejectReason:
    if pat.REFUSAL.match(lines[0]) or lines[-1].endswith(("?", "？", "؟")):
        return RejectReason.QUESTION_OR_REFUSAL
    if cut and not is_finished(lines[-1]):
        return RejectReason.UNFINISHED
    return RejectReason.NO_PLACEHOLDER


# --- One line -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    template: str | None = None
    reason: RejectReason | None = None
    detail: str | None = None
    removed: tuple[str, ...] = ()
    announced: bool = False


def _read_line(line: str, cut: bool, max_length: int, announced: bool) -> _Line:
    """The template in a line.

    Args:
        line: with the placeholder.
        cut: whether its end is missing.
        max_length: of the template, in characters.
        announced: whether the line before it says that the final template comes.
    """
    removed: list[str] = []
    announced = announced or bool(pat.ANNOUNCED.search(line[: line.index(PLACEHOLDER)]))

    def step(what: str, function: Callable[[str], str]) -> None:
        nonlocal line
        before, line = line, function(line)
        if line != before and what and what not in removed:
            removed.append(what)

    if line.startswith("|") and line.count("|") > 1:  # a table row
        line = next(cell for cell in line.split("|") if PLACEHOLDER in cell).strip()
    for _ in range(3):
        step("", lambda text: _strip_start(pat.BULLET, text))
        step("a preface", _without_preface)
    step(_ECHO, _without_echo)
    cut = cut and _quoted(line) is None  # a closing quotation mark ends the template
    step("quotes", lambda text: _quoted(text) or _without_stray_quotes(text))
    step(_ECHO, _without_echo)
    step("an explanation", lambda text: _strip_end(pat.TRAILERS, text))

    spans = sentence_spans(line)
    if cut and not is_finished(line):
        spans = spans[:-1]
        removed.append("an unfinished sentence")
        if not any(PLACEHOLDER in line[a:b] for a, b in spans):
            return _Line(reason=RejectReason.UNFINISHED, detail=_shorten(line))
    kept = _template_sentences(line, spans, max_length)
    if kept is None:
        reason = RejectReason.NOT_A_TEMPLATE
        if pat.REFUSAL.match(line):
            reason = RejectReason.QUESTION_OR_REFUSAL
        return _Line(reason=reason, detail=_shorten(line))
    whole = line[: spans[-1][1]]
    line = line[kept[0] : kept[1]].strip()
    if len(line) < len(whole.strip()):
        removed.append("an explanation")
    step("quotes", _without_stray_quotes)
    if not cut:
        line = line.rstrip(" ,;、，")  # between two of a list
    return replace(_checked(line, max_length), removed=tuple(removed), announced=announced)


def _checked(line: str, max_length: int) -> _Line:
    if slot := pat.SLOT.search(line):
        return _Line(reason=RejectReason.OPEN_SLOT, detail=slot[0].strip())
    if PLACEHOLDER not in line:
        return _Line(reason=RejectReason.NO_PLACEHOLDER)
    if pat.DANGLING.search(line):
        return _Line(reason=RejectReason.UNFINISHED, detail=_shorten(line))
    if len(line) > max_length:
        detail = f"{len(line)} characters, at most {max_length} are allowed"
        return _Line(reason=RejectReason.TOO_LONG, detail=detail)
    return _Line(template=line)


def _strip_start(pattern: re.Pattern[str], line: str) -> str:
    found = pattern.match(line)
    return line[found.end() :] if found and PLACEHOLDER in line[found.end() :] else line


def _strip_end(patterns: tuple[re.Pattern[str], ...], line: str) -> str:
    for pattern in patterns:
        found = pattern.search(line)
        if found and PLACEHOLDER in line[: found.start()]:
            line = line[: found.start()].rstrip()
    return line


def _without_echo(line: str) -> str:
    return _strip_end(pat.ECHOES, line)


def _without_preface(line: str) -> str:
    for pattern in (pat.JSON_KEY, pat.SURE, pat.NUMBERED, pat.LABEL):
        line = _strip_start(pattern, line)
    named = pat.NAMED.match(line)
    if named and not re.search(rf"{PLACEHOLDER}[\"'”]?[.!?]", named[0]):
        return _strip_start(pat.NAMED, line)
    colon = re.search(r"(?<!\d)[:：]|[:：](?!\d)", line[:200])
    if colon:
        head, tail = line[: colon.start()], line[colon.end() :].lstrip()
        begins = pat.OPENER.match(head) or pat.PROPOSES.search(head)
        # "Here is a <category>: a bird." is a template, "Here it is: a <category>." is not.
        if begins and PLACEHOLDER not in head and PLACEHOLDER in tail:
            return tail
    return line


def _quoted(line: str) -> str | None:
    """The quoted part with the placeholder, if nothing but talk stands before it."""
    for at, char in enumerate(line[:200]):
        head = line[:at].strip()
        if char not in pat.QUOTES or (at and line[at - 1].isalnum()):
            continue
        if head and not (
            pat.ABOUT.search(head) or pat.EXPLAINS.match(head) or pat.PROPOSES.search(head)
        ):
            break
        end = _closing(line, at)
        inner = line[at + 1 : end].strip() if end else ""
        around = (head + line[end + 1 :]) if end else ""
        if inner == PLACEHOLDER and any(c.isalpha() for c in around):
            continue  # only the placeholder is quoted
        if PLACEHOLDER in inner:
            return inner
    return None


def _closing(line: str, at: int) -> int:
    """Where the quotation mark at ``at`` is closed, 0 if nowhere."""
    opener, end, depth = line[at], 0, 1
    for i in range(at + 1, len(line)):
        char = line[i]
        before, after = line[i - 1], line[i + 1 : i + 2]
        if char not in pat.QUOTES[opener] and char != opener:
            continue
        opens = (before.isspace() or before in "([") and bool(after.strip())
        if opener in pat.SINGLE_QUOTES:
            if not opens and not after.isalnum():
                end = i  # the last one: those before may be apostrophes ("the birds' nest")
        elif opens or char not in pat.QUOTES[opener]:
            depth += 1
        else:
            depth -= 1
            if not depth:
                return i
    return end


def _without_stray_quotes(line: str) -> str:
    """Without a first or last quotation mark that has no partner."""
    if line and line[0] in pat.QUOTES and not pat.ELISION.match(line):
        partners = sum(line.count(c) for c in set(pat.QUOTES[line[0]] + line[0]))
        if partners % 2 or (line[0] in pat.SINGLE_QUOTES and not _closing(line, 0)):
            line = line[1:].lstrip()
    if line and line[-1] in '"”“»」』》' and sum(line.count(c) for c in '"”“„»«「」『』《》') % 2:
        line = line[:-1].rstrip()
    if line[-1:] in ("'", "’") and line[-2:-1] in (*FINAL_PUNCTUATION, ">"):
        line = line[:-1].rstrip()
    return line


# --- Sentences ----------------------------------------------------------------------------------


def _template_sentences(
    line: str, spans: list[tuple[int, int]], max_length: int
) -> tuple[int, int] | None:
    """Start and end of the sentences that make the template, None if all are talk."""
    texts = [line[a:b].strip() for a, b in spans]
    main = next(
        (i for i, text in enumerate(texts) if PLACEHOLDER in text and not _is_talk(text)), None
    )
    if main is None:
        return None
    first = max((i + 1 for i in range(main) if _is_talk(texts[i])), default=0)
    last = main
    for i in range(main + 1, len(texts)):
        extra = PLACEHOLDER in texts[i] or len(texts[i]) <= _MAX_EXTRA
        if _is_talk(texts[i]) or not extra or spans[i][1] - spans[first][0] > max_length:
            break
        last = i
    return spans[first][0], spans[last][1]


def _is_talk(sentence: str) -> bool:
    """About the template rather than part of it."""
    if PLACEHOLDER in sentence:  # "This is a photo of a <category>." is a template
        return bool(pat.ABOUT.search(sentence) or pat.REFUSAL.match(sentence))
    return not has_words(sentence) or bool(
        pat.EXPLAINS.match(sentence)
        or pat.ABOUT.search(sentence)
        or pat.SCORES.search(sentence)
        or pat.REFUSAL.match(sentence)
    )


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"

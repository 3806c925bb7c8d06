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
from typing import TYPE_CHECKING

from engine.prompts import reply_patterns as pat
from engine.prompts.reply_ends import ends_loosely, without_cut_end
from engine.prompts.reply_quotes import quoted, without_outer_quotes, without_stray_quotes
from engine.prompts.reply_text import (
    has_words,
    is_finished,
    plain_text,
    sentence_spans,
    split_lines,
)
from engine.prompts.template import FINAL_PUNCTUATION, PLACEHOLDER, RejectReason
from engine.prompts.thoughts import part

if TYPE_CHECKING:
    from engine.prompts.message import Accept, Finish

MAX_LENGTH = 300  # characters of a template, unless its task has another limit
MAX_VERBATIM = 1000

_MAX_LINES = 50  # lines with the placeholder that are read
_MAX_EXTRA = 120  # characters of a descriptive sentence kept after the one with the placeholder
_MAX_ROUNDS = 4
_ECHO = "an accuracy"
_CUT_END = "a cut-off end"


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
    text: str,
    *,
    finish: Finish = "stop",
    max_length: int = MAX_LENGTH,
    accept: Accept = "clean",
    begun: str = "",
) -> Parsed:
    """Read the template out of a reply.

    Of several listed templates the first valid one is taken, or that which begins as the reply was
    begun. Sentences around the placeholder's
    belong to the template if they are short and describe; explanations do not. Thoughts are never
    templates.

    Args:
        text: the reply, any text of any length; never raises.
        finish: "length" if the LLM ran out of tokens, so that the last sentence may be cut off;
            "thinking" if it ran out of them in its thought, so that there is no reply.
        max_length: longest template in characters, at least 10 (the placeholder alone).
        accept: "clean" takes whole sentences only, without blanks other than the placeholder.
            "usable" takes what can be scored: blanks stay, and what is cut off or too long goes
            back to its last clause. "verbatim" takes the text as it came: only thoughts, markup, a
            preface that ends in a colon and quotation marks around it come off, and it may have
            ``MAX_VERBATIM`` characters.
        begun: what the reply was begun with, for the LLM.
    """
    if finish == "thinking":
        return Parsed(reason=RejectReason.THOUGHT_TOO_LONG)
    rules = _Rules(max_length, accept == "usable", begun)
    read = _read_verbatim if accept == "verbatim" else _read_sentences
    first = result = read(text, finish == "length", rules)
    for _ in range(_MAX_ROUNDS):
        if result.template is None:
            return result
        # A template read again must stay as it is: nested wrapping comes off layer by layer.
        again = read(result.template, False, rules)
        if again.template == result.template:
            return _with_what_follows(replace(first, template=result.template), begun)
        result = again
    return Parsed(reason=RejectReason.NOT_A_TEMPLATE)


# --- The reply as a whole -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rules:
    """How replies are read; ``lenient``: blanks stay, and loose ends go back to a clause."""

    max_length: int
    lenient: bool
    begun: str


def _read_verbatim(text: str, cut: bool, _rules: _Rules) -> Parsed:
    body, cut = plain_text(text, cut)
    if not has_words(body):
        return Parsed(reason=wordless_reason(text, cut))
    lines = [" ".join(line.split()) for line in body.split("\n")]
    while len(lines) > 1 and PLACEHOLDER not in lines[0] and lines[0][-1:] in ("", ":", "："):
        lines.pop(0)
    line = _first_labelled(" ".join(" ".join(lines).split()).strip("\u200c\u200d "))
    if PLACEHOLDER not in line:
        return Parsed(reason=_reason_without_placeholder([line], cut))
    unquoted = without_outer_quotes(line)
    if len(unquoted) > MAX_VERBATIM:
        return Parsed(reason=RejectReason.TOO_LONG, note=_too_long(unquoted, MAX_VERBATIM))
    return Parsed(template=unquoted, note=None if unquoted == line else "removed quotes")


def _read_sentences(text: str, cut: bool, rules: _Rules) -> Parsed:
    body, cut = plain_text(text, cut)
    if not has_words(body):
        return Parsed(reason=wordless_reason(text, cut))
    lines = split_lines(body)
    found: list[_Line] = []
    for i, line in enumerate(lines):
        if PLACEHOLDER in line and len(found) < _MAX_LINES:
            announced = bool(pat.ANNOUNCED.search(lines[i - 1] + "\n" if i else ""))
            cut_here = cut and i == len(lines) - 1
            found.append(_read_line(line, cut_here, announced, rules))
    if not found:
        return Parsed(reason=_reason_without_placeholder(lines, cut))
    good = [line for line in found if line.template is not None]
    if not good:
        # The first line that is more than talk says best what is wrong.
        real = [line for line in found if line.reason is not RejectReason.NOT_A_TEMPLATE]
        telling = (real or found)[0]
        return Parsed(reason=telling.reason, note=telling.detail)
    best = min(good, key=lambda line: _demerits(line, rules.begun))
    notes = [f"removed {', '.join(best.removed)}"] if best.removed else []
    if len(good) > 1:
        which = "the first" if best is good[0] else f"number {good.index(best) + 1}"
        notes.append(f"took {which} of {len(good)} listed templates")
    return Parsed(template=best.template, note="; ".join(notes) or None)


def _with_what_follows(parsed: Parsed, begun: str) -> Parsed:
    """What is asked of a whole reply is asked of what the LLM added to one that was begun: words.

    Signs and numbers alone are none. Where nothing but an end follows, the beginning is the
    template, and the note says so.
    """
    begun, template = begun.strip(), parsed.template or ""
    added = template.removeprefix(begun)
    if PLACEHOLDER not in begun or not template.startswith(begun) or any(map(str.isalpha, added)):
        return parsed
    signs = added.strip(f" ,;:{FINAL_PUNCTUATION}{pat.CLOSERS}")
    if signs:
        return Parsed(
            reason=RejectReason.EMPTY, note=f"behind proposal.reply_prefix only {_shorten(signs)}"
        )
    note = "no words follow proposal.reply_prefix"
    return replace(parsed, note=f"{parsed.note}; {note}" if parsed.note else note)


def _demerits(line: _Line, begun: str) -> tuple[bool, ...]:
    """Why another line may be meant: a line with an accuracy repeats the meta-prompt, and "Final
    template:" comes after a draft.
    """
    template = line.template or ""
    elsewhere = not template.startswith(begun)
    return elsewhere, _ECHO in line.removed, not line.announced, bool(pat.SLOT.search(template))


def wordless_reason(text: str, cut: bool) -> RejectReason:
    """Why a reply without words has no template: it is empty, or all of it is a thought."""
    parted = part(text)
    if not has_words(parted.thought):
        return RejectReason.EMPTY
    unfinished = parted.inside and cut
    return RejectReason.UNFINISHED if unfinished else RejectReason.ONLY_THOUGHT


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


def _read_line(line: str, cut: bool, announced: bool, rules: _Rules) -> _Line:
    """The template in a line.

    Args:
        line: with the placeholder.
        cut: whether its end is missing.
        announced: whether the line before it says that the final template comes.
        rules: how to read it.
    """
    max_length, lenient = rules.max_length, rules.lenient
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
    cut = cut and quoted(line) is None  # a closing quotation mark ends the template
    step("quotes", lambda text: quoted(text) or without_stray_quotes(text))
    step(_ECHO, _without_echo)
    step("an explanation", lambda text: _strip_end(pat.TRAILERS, text))
    # The LLM had ended the template itself where something else followed it.
    cut = cut and not {_ECHO, "an explanation"}.intersection(removed)

    if lenient and cut and not is_finished(line):
        removed.append(_CUT_END)
        shortened = without_cut_end(line, max_length)
        if shortened is None:
            return _Line(reason=RejectReason.UNFINISHED, detail=_shorten(line))
        line, cut = shortened, False
    spans = sentence_spans(line)
    if cut and not is_finished(line):
        spans = spans[:-1]
        removed.append("an unfinished sentence")
        if not any(PLACEHOLDER in line[a:b] for a, b in spans):
            return _Line(reason=RejectReason.UNFINISHED, detail=_shorten(line))
    kept = _template_sentences(line, spans, max_length, lenient)
    if kept is None:
        reason = RejectReason.NOT_A_TEMPLATE
        if pat.REFUSAL.match(line):
            reason = RejectReason.QUESTION_OR_REFUSAL
        return _Line(reason=reason, detail=_shorten(line))
    whole = line[: spans[-1][1]]
    line = line[kept[0] : kept[1]].strip()
    if len(line) < len(whole.strip()):
        removed.append("an explanation")
    step("quotes", without_stray_quotes)
    if not cut:
        line = line.rstrip(" ,;、，")  # between two of a list
    if lenient:
        step(_CUT_END, lambda text: _without_loose_end(text, max_length))
    checked = _checked(line, max_length, lenient)
    return replace(checked, removed=tuple(removed), announced=announced)


def _without_loose_end(line: str, max_length: int) -> str:
    """Back to the last clause, where a line ends as nothing ends, or is too long."""
    if len(line) > max_length or ends_loosely(line):
        return without_cut_end(line, max_length) or line
    return line


def _checked(line: str, max_length: int, lenient: bool) -> _Line:
    slot = None if lenient else pat.SLOT.search(line)
    if slot:
        return _Line(reason=RejectReason.OPEN_SLOT, detail=slot[0].strip())
    if PLACEHOLDER not in line:
        return _Line(reason=RejectReason.NO_PLACEHOLDER)
    if pat.DANGLING.search(line) and not lenient:
        return _Line(reason=RejectReason.UNFINISHED, detail=_shorten(line))
    if len(line) > max_length:
        return _Line(reason=RejectReason.TOO_LONG, detail=_too_long(line, max_length))
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
    if named and not _ends_template(named[0]):
        return _strip_start(pat.NAMED, line)
    colon = re.search(r"(?<!\d)[:：]|[:：](?!\d)", line[:200])
    if colon:
        head, tail = line[: colon.start()], line[colon.end() :].lstrip()
        begins = pat.OPENER.match(head) or pat.PROPOSES.search(head)
        # "Here is a <category>: a bird." is a template, "Here it is: a <category>." is not.
        if begins and PLACEHOLDER not in head and PLACEHOLDER in tail:
            return tail
    return line


def _ends_template(head: str) -> bool:
    """Whether a template stands and ends in what looks like a preface."""
    whole = re.match(rf"[^.!?。！？]*{PLACEHOLDER}[^.!?。！？]*[.!?。！？]", head)
    plain = re.search(rf"{PLACEHOLDER}[\"'”]?[.!?]", head)
    return bool(plain or (whole and not pat.ABOUT.search(whole[0])))


def _first_labelled(line: str) -> str:
    """Without a preface, and without further templates behind the same one ("Template: ...")."""
    rest = _without_preface(line)
    label = re.split(r"[.!?,] ", line[: len(line) - len(rest)].strip())[-1]
    if not line.endswith(rest) or label[-1:] not in (":", "："):
        return rest
    again = re.search(re.sub(r"\d+", r"\\d{1,2}", re.escape(label)), rest, re.IGNORECASE)
    if again and PLACEHOLDER in rest[: again.start()]:
        return rest[: again.start()].rstrip()
    return rest


# --- Sentences ----------------------------------------------------------------------------------


def _template_sentences(
    line: str, spans: list[tuple[int, int]], max_length: int, lenient: bool
) -> tuple[int, int] | None:
    """Start and end of the sentences that make the template, None if all are talk."""
    texts = [line[a:b].strip() for a, b in spans]
    main = next(
        (i for i, text in enumerate(texts) if PLACEHOLDER in text and not _is_talk(text, lenient)),
        None,
    )
    if main is None:
        return None
    first = max((i + 1 for i in range(main) if _is_talk(texts[i], lenient)), default=0)
    last = main
    for i in range(main + 1, len(texts)):
        extra = PLACEHOLDER in texts[i] or len(texts[i]) <= _MAX_EXTRA
        if _is_talk(texts[i], lenient) or not extra or spans[i][1] - spans[first][0] > max_length:
            break
        last = i
    return spans[first][0], spans[last][1]


def _is_talk(sentence: str, lenient: bool) -> bool:
    """About the template rather than part of it."""
    if PLACEHOLDER in sentence:  # "This is a photo of a <category>." is a template
        about = pat.ABOUT.search(sentence)
        if about and lenient:
            about = pat.ABOUT.search(sentence[: sentence.index(PLACEHOLDER)])
        return bool(about or pat.REFUSAL.match(sentence) or pat.MUSES.match(sentence))
    return not has_words(sentence) or bool(
        pat.EXPLAINS.match(sentence)
        or pat.ABOUT.search(sentence)
        or pat.SCORES.search(sentence)
        or pat.REFUSAL.match(sentence)
    )


def _too_long(text: str, max_length: int) -> str:
    return f"{len(text)} characters, at most {max_length} are allowed"


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"

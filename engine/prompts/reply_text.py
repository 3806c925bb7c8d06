"""From the raw text of a reply to its lines and sentences: without thinking, special tokens, markup
and control characters, with placeholders spelled one way.
"""

from __future__ import annotations

import re
import unicodedata

from engine.prompts import reply_patterns as pat
from engine.prompts.template import FINAL_PUNCTUATION, PLACEHOLDER, PLACEHOLDER_SPELLINGS
from engine.prompts.thoughts import part

MAX_BODY = 10_000  # characters of a reply that are read, its thinking left out
_MAX_JOINED = 400  # characters of a line that others were added to which are looked at


def plain_text(text: str, cut: bool) -> tuple[str, bool]:
    """What the LLM says to the user in its own turn, and whether the end of it was cut off.

    Args:
        text: a raw reply of any length.
        cut: whether the end of ``text`` was cut off.
    """
    text = part(text).reply
    cut = cut or len(text) > MAX_BODY
    text = pat.ANSI.sub("", pat.BREAKS.sub("\n", text[:MAX_BODY]))
    text = "".join(c for c in text.replace("\t", " ") if is_visible(c))
    text = PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, pat.DOUBLED.sub('"', _decoded(text)))
    turns = [pat.SPECIAL.sub("", turn) for turn in pat.TURN_END.split(text)]
    turn = next((i for i, turn in enumerate(turns) if has_words(turn)), 0)
    cut = cut and turn == len(turns) - 1
    text = _without_markup(turns[turn])
    role = pat.ROLE.match(text)
    return text[role.end() :] if role else text, cut


def split_lines(body: str) -> list[str]:
    """Non-empty lines with single spaces. A line goes on in the next one where it ends inside
    quotes or a sentence that the next one continues; a numbered list on one line is split.
    """
    lines: list[str] = []
    goes_on = False
    before = ""  # the last line, as it was before others were added to it
    for raw in body.split("\n"):
        line = " ".join(raw.split()).strip("\u200c\u200d")
        goes_on = goes_on or (bool(lines) and _continues(lines[-1][-_MAX_JOINED:], before, line))
        if goes_on and line and not pat.BULLET.match(line):
            lines[-1] += " " + line
        elif line:
            listed = pat.FIRST_NUMBER.match(line) or PLACEHOLDER in line
            lines += pat.NEXT_NUMBER.split(line) if listed else [line]
        quote = pat.QUOTES[line[0]] if line[:1] in tuple('"“„«「') else ""
        open_quote = bool(quote) and not any(c in quote for c in line[1:])
        goes_on = PLACEHOLDER in line and (open_quote or line.endswith(","))
        before = line
    return lines


def _continues(so_far: str, before: str, line: str) -> bool:
    """Whether a line is in the middle of a sentence that was broken before it.

    Args:
        so_far: the end of what it would be added to.
        before: the line before it, empty if there is an empty one between them.
        line: the line.
    """
    if not before or not line or (PLACEHOLDER in so_far and PLACEHOLDER in line):
        return False  # a list, one template a line
    if so_far[-1] in FINAL_PUNCTUATION + pat.CLOSERS + ":：;|":
        return False
    for text in (before[:_MAX_JOINED], line[:_MAX_JOINED]):
        begins = pat.SURE.match(text) or pat.OPENER.match(text) or pat.EXPLAINS.match(text)
        if begins or pat.ABOUT.search(text) or pat.SCORES.search(text):
            return False
    return bool(pat.DANGLING.search(before)) or line[0].islower() or line.startswith(PLACEHOLDER)


def has_words(text: str) -> bool:
    """Whether there is a letter or digit of any script."""
    return any(c.isalnum() for c in text)


def sentence_spans(line: str) -> list[tuple[int, int]]:
    """Start and end of each sentence of a line, the last one finished or not."""
    spans: list[tuple[int, int]] = []
    start = 0
    for found in pat.SENTENCE.finditer(line):
        following = line[found.end() : found.end() + 2].strip()[:1]
        if following.islower() or pat.ABBREVIATION.search(
            line[max(0, found.end() - 10) : found.end()]
        ):
            continue
        spans.append((start, found.end()))
        start = found.end()
    if line[start:].strip():
        spans.append((start, len(line)))
    return spans


def is_finished(line: str) -> bool:
    """Whether the line ends where a sentence ends."""
    end = line.rstrip(pat.CLOSERS)
    return end[-1:] in tuple(FINAL_PUNCTUATION) and not pat.ABBREVIATION.search(end[-10:])


def is_visible(char: str) -> bool:
    """Not a control, bidi control, surrogate or private character. Joiners stay: Persian and Indic
    scripts are written with them. U+FFFD is a character that the token limit cut in two.
    """
    if char in "\n\u200c\u200d":
        return True
    return char != "\ufffd" and unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


def _decoded(text: str) -> str:
    """Without the escapes of HTML, JSON, Markdown and LaTeX."""
    for entity, char in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("#39", "'"), ("amp", "&")):
        text = re.sub(rf"&(?:amp;){{0,3}}{entity};", char, text)
    text = re.sub(r"\\u003[cC]", "<", re.sub(r"\\u003[eE]", ">", text))
    for _ in range(2):  # \boxed{\text{...}}
        text = pat.BOXED.sub(r"\1", text)
    return text.replace("\\", "")


def _without_markup(text: str) -> str:
    text = pat.BLOCK_TAG.sub("\n", pat.INLINE_TAG.sub("", pat.TURN_START.sub("\n", text)))
    text = pat.FENCE.sub("\n", text).replace("`", "").replace("*", "").replace("~~", "")
    return pat.EMPHASIS.sub("", text)

"""Quotation marks around and in a template, of any language."""

from __future__ import annotations

from engine.prompts import reply_patterns as pat
from engine.prompts.template import FINAL_PUNCTUATION, PLACEHOLDER


def quoted(line: str) -> str | None:
    """The quoted part with the placeholder, if nothing but talk stands before it."""
    for at, char in enumerate(line[:200]):
        head = line[:at].strip()
        if char not in pat.QUOTES or (at and line[at - 1].isalnum()):
            continue
        if head and not (
            pat.ABOUT.search(head) or pat.EXPLAINS.match(head) or pat.PROPOSES.search(head)
        ):
            break
        end = closing(line, at)
        inner = line[at + 1 : end].strip() if end else ""
        around = (head + line[end + 1 :]) if end else ""
        if inner == PLACEHOLDER and any(c.isalpha() for c in around):
            continue  # only the placeholder is quoted
        if PLACEHOLDER in inner:
            return inner
    return None


def closing(line: str, at: int) -> int:
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


def without_stray_quotes(line: str) -> str:
    """Without a first or last quotation mark that has no partner."""
    if line and line[0] in pat.QUOTES and not pat.ELISION.match(line):
        partners = sum(line.count(c) for c in set(pat.QUOTES[line[0]] + line[0]))
        if partners % 2 or (line[0] in pat.SINGLE_QUOTES and not closing(line, 0)):
            line = line[1:].lstrip()
    if line and line[-1] in '"”“»」』》' and sum(line.count(c) for c in '"”“„»«「」『』《》') % 2:
        line = line[:-1].rstrip()
    if line[-1:] in ("'", "’") and line[-2:-1] in (*FINAL_PUNCTUATION, ">"):
        line = line[:-1].rstrip()
    return line


def without_outer_quotes(line: str) -> str:
    """Without a quotation mark that the line begins with, and the one that closes it.

    Of what stands behind that, words stay as they came, else only a full stop that was missing.
    """
    if line[:1] in pat.QUOTES and not pat.ELISION.match(line):
        end = closing(line, 0)
        if end:
            inner, behind = line[1:end].strip(), line[end + 1 :]
            if not any(char.isalnum() for char in behind):  # JSON's bracket, a second full stop
                behind = behind[: behind[:1] in tuple(FINAL_PUNCTUATION)]
                behind = "" if inner[-1:] in tuple(FINAL_PUNCTUATION) else behind
            elif inner[-1:] in tuple(".!?…") and behind[0].isalnum():
                behind = f" {behind}"  # the quotation mark stood for it
            return f"{inner}{behind}".strip()
    return without_stray_quotes(line)

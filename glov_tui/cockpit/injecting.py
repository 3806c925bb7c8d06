"""What a person's list of templates holds: what can be scored, what was, and what can't be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.common.wording import counted
from engine.prompts.message import Accept
from engine.prompts.reply_patterns import SLOT
from engine.prompts.template import (
    PLACEHOLDER,
    PLACEHOLDER_SPELLINGS,
    RejectReason,
    normalise,
)
from engine.run.state import RunState
from engine.vlm.task import Task
from glov_tui.common.text import clean

MOST = 1000
"""Templates at once: the run scores all of them before it goes on."""

AT_ONCE = 50
"""Templates of one message to the engine, and of one append to the journal."""

Numbered = Sequence[tuple[int, str]]
"""Lines of a text with their numbers, from 1."""


class Wrong(NamedTuple):
    """A line that is no template. Its text is untrusted."""

    number: int  # of the line, from 1
    why: str
    text: str


class Read(NamedTuple):
    """What a line is taken for: the template, or the reason why it is none. Texts are untrusted."""

    template: str
    why: str | None = None

    @property
    def blank(self) -> str | None:
        """What looks like a place for a word, and is not the class name's: it stays as it is."""
        found = SLOT.search(self.template)
        return found[0] if found is not None else None


@dataclass(frozen=True, slots=True)
class Sorted:
    """The lines of a list by what can come of them. Texts are untrusted."""

    new: tuple[str, ...]  # to be scored
    known: tuple[str, ...]  # that were scored before
    twice: int  # that stand there more than once
    wrong: tuple[Wrong, ...]
    banned: int = 0  # of those that are known
    blank: tuple[int, str] | None = None  # the first line with another blank, and the blank

    @property
    def usable(self) -> tuple[str, ...]:
        """What has or will have a score."""
        return (*self.new, *self.known)

    def describe(self) -> str:
        """One sentence for a list of several."""
        parts = [f"{counted(len(self.new), 'template')} to score"]
        if self.known:
            banned = f" ({self.banned:,} banned)" if self.banned else ""
            parts.append(f"{len(self.known):,} scored already{banned}")
        if self.twice:
            parts.append(f"{self.twice:,} there twice")
        if self.wrong:
            parts.append(f"{len(self.wrong):,} can't be")
        said = f"{', '.join(parts)}."
        if self.blank is not None:
            number, blank = self.blank
            said += f" Line {number}: {clean(blank)} stays as it is."
        return f"{_in_line(*self.wrong[0][:2])} {said}" if self.wrong else said


class Reader:
    """Reads lines as the engine will, each once: lists are looked at anew with each key."""

    def __init__(self, accept: Accept, task: Task) -> None:
        """``accept`` as ``proposal.accept``, ``task`` of the run's VLM."""
        self.task = task
        self._accept = accept
        self._known: dict[str, Read] = {}

    def read(self, line: str) -> Read:
        """What a line is taken for."""
        found = self._known.get(line)
        if found is None:
            found = self._known[line] = read_line(line, self._accept, self.task)
        return found

    def look_at(self, lines: Numbered, seconds: float) -> int:
        """Read lines for so long at most; returns how many are left."""
        todo = [line for _, line in lines if line not in self._known]
        end = time.monotonic() + seconds
        for done, line in enumerate(todo):
            if time.monotonic() > end:
                return len(todo) - done
            self.read(line)
        return 0


def read_line(line: str, accept: Accept, task: Task) -> Read:
    """What the engine will take a line for."""
    parsed = task.read(line, accept=accept)
    if parsed.template is not None:
        return Read(parsed.template)
    spelled = PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, line)  # {} is one, too
    if task.placeholders.reason(line) is RejectReason.NO_PLACEHOLDER:
        return Read(line, f"The template lacks the placeholder {PLACEHOLDER}.")
    if (problem := task.placeholders.problem(spelled)) is not None:
        return Read(line, f"The template is no {task.form}: {problem}.")
    reason = parsed.reason.explanation if parsed.reason else "This is no template."
    detail = f" ({clean(parsed.note)})" if parsed.note else ""
    return Read(line, reason.replace("The reply", "The template").rstrip(".") + detail + ".")


def sort_out(lines: Numbered, state: RunState, read: Callable[[str], Read]) -> Sorted:
    """Look at each line; ``read`` says what it is taken for."""
    new, known = list[str](), list[str]()
    wrong, seen, twice, banned = list[Wrong](), set[str](), 0, 0
    blank: tuple[int, str] | None = None
    kept_out = state.with_pending().banned
    for number, line in lines:
        found = read(line)
        if found.why is not None:
            wrong.append(Wrong(number, found.why, line))
            continue
        key = normalise(found.template)
        if key in seen:
            twice += 1
            continue
        seen.add(key)
        banned += key in kept_out
        if blank is None and found.blank is not None:
            blank = number, found.blank
        (new if state.find(key) is None else known).append(line)
    return Sorted(tuple(new), tuple(known), twice, tuple(wrong), banned, blank)


def problem_of(lines: Numbered, reader: Reader) -> str | None:
    """What is wrong with the first line that can't be scored; None if all can be."""
    if not lines:
        name = f"Write {PLACEHOLDER} where the class name goes; one"
        return f"{name if reader.task.placeholders.least else 'One'} template a line."
    if len(lines) > MOST:
        said = counted(len(lines), "line")
        return f"{said}: at most {MOST:,} templates can be injected at once."
    for number, line in lines:
        why = reader.read(line).why
        if why is None:
            continue
        if len(lines) == 1:
            return why
        return _in_line(number, why)
    return None


def outlook(line: str, reader: Reader) -> str:
    """What a single line will be scored as."""
    found = reader.read(line)
    said = "Can be scored"
    if found.template != " ".join(line.split()):
        said += f", as: {clean(found.template)}"
    if found.blank is not None:
        return f"{said.rstrip('.')}. {clean(found.blank)} stays as it is."
    return f"{said.rstrip('.')}."


def _in_line(number: int, why: str) -> str:
    the = why.startswith(("The template lacks", "The template is no"))
    return f"Line {number}: {f'the{why[3:]}' if the else why}"

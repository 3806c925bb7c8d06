"""What a person's list of templates holds: what can be scored, what was, and what can't be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.common.wording import counted
from engine.prompts.message import Accept
from engine.prompts.template import (
    PLACEHOLDER,
    PLACEHOLDER_SPELLINGS,
    RejectReason,
    normalise,
)
from engine.run.state import RunState
from engine.vlm.task import Task
from glov_tui.common.text import clean


@dataclass(frozen=True, slots=True)
class Sorted:
    """The lines of a list by what can come of them. Texts are untrusted."""

    new: tuple[str, ...]  # to be scored
    known: tuple[str, ...]  # that were scored before
    twice: int  # that stand there more than once
    wrong: tuple[tuple[int, str], ...]  # number of the line, from 1, and why it is no template

    @property
    def usable(self) -> tuple[str, ...]:
        """What has or will have a score."""
        return (*self.new, *self.known)

    def describe(self) -> str:
        """One sentence for a list of several."""
        parts = [f"{counted(len(self.new), 'template')} to score"]
        if self.known:
            parts.append(f"{len(self.known)} scored already")
        if self.twice:
            parts.append(f"{self.twice} there twice")
        if self.wrong:
            parts.append(f"{len(self.wrong)} can't be")
        said = f"{', '.join(parts)}."
        return f"{_in_line(*self.wrong[0])} {said}" if self.wrong else said


def sort_out(lines: Sequence[str], state: RunState, accept: Accept, task: Task) -> Sorted:
    """Look at each line; ``accept`` as ``proposal.accept``, ``task`` of the run's VLM."""
    new, known = list[str](), list[str]()
    wrong, seen, twice = list[tuple[int, str]](), set[str](), 0
    for number, line in enumerate(lines, 1):
        why = why_wrong(line, accept, task)
        if why is not None:
            wrong.append((number, why))
            continue
        key = key_of(line, accept, task)
        if key in seen:
            twice += 1
            continue
        seen.add(key)
        (new if state.find(key) is None else known).append(line)
    return Sorted(tuple(new), tuple(known), twice, tuple(wrong))


def key_of(line: str, accept: Accept, task: Task) -> str:
    """The identity of the template that a line is."""
    return normalise(task.read(line, accept=accept).template or line)


def why_wrong(line: str, accept: Accept, task: Task) -> str | None:
    """Why a line can't be scored, as a sentence; None if it can be."""
    parsed = task.read(line, accept=accept)
    if parsed.template is not None:
        return None
    spelled = PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, line)  # {} is one, too
    if task.placeholders.reason(line) is RejectReason.NO_PLACEHOLDER:
        return f"The template lacks the placeholder {PLACEHOLDER}."
    if (problem := task.placeholders.problem(spelled)) is not None:
        return f"The template is no {task.form}: {problem}."
    reason = parsed.reason.explanation if parsed.reason else "This is no template."
    detail = f" ({clean(parsed.note)})" if parsed.note else ""
    return reason.replace("The reply", "The template").rstrip(".") + detail + "."


def problem_of(lines: Sequence[str], accept: Accept, task: Task) -> str | None:
    """What is wrong with the first line that can't be scored; None if all can be."""
    if not lines:
        name = f"Write {PLACEHOLDER} where the class name goes; one"
        return f"{name if task.placeholders.least else 'One'} template a line."
    for number, line in enumerate(lines, 1):
        why = why_wrong(line, accept, task)
        if why is None:
            continue
        if len(lines) == 1:
            return why
        return _in_line(number, why)
    return None


def _in_line(number: int, why: str) -> str:
    the = why.startswith(("The template lacks", "The template is no"))
    return f"Line {number}: {f'the{why[3:]}' if the else why}"

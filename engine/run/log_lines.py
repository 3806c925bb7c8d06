"""The log of a run: the sentence of each fact, and how lines follow each other.

The sentences are here and nowhere else, so that a screen, a headless run and a replay say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

from engine.common.wording import counted
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.event_record import AskedFact, asked_by
from engine.run.ranking import ScoredTemplate

Level = Literal["info", "warning", "error"]

LOG_LINES = 500
LIST = 10
"""Templates of a person that wait, above which those that come are one line of the log."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log. ``text`` may hold untrusted text: escape it before showing it."""

    time: float
    level: Level
    text: str
    option: str = ""  # that was edited; or what else counts up though its text is another
    times: int = 1  # so often, one right after the other


Log = tuple[LogLine, ...]
"""The last ``LOG_LINES`` of them, oldest first."""


class Said(NamedTuple):
    """What the log says of a fact."""

    text: str
    level: Level = "info"
    option: str = ""  # that the fact edits, or as in ``LogLine``


class Before(Protocol):
    """What a sentence needs to know of the state before its fact."""

    @property
    def edits(self) -> tuple[ev.Edited, ...]: ...

    @property
    def waiting(self) -> tuple[ev.TemplateInjected, ...]: ...

    @property
    def scores_at_once(self) -> bool: ...

    @property
    def images_scored(self) -> tuple[int, int]: ...

    def find(self, key: str) -> ScoredTemplate | None: ...

    def when(self, step: int) -> str: ...


def with_line(log: Log, time: float, said: Said) -> Log:
    """The log with one more line; what is said again right away counts up, with its last time.

    That is the same sentence, an edit of the same option, or the next template of a list.
    """
    last = log[-1] if log else None
    line = LogLine(time, said.level, said.text, said.option)
    if last is not None and _is_again(last, said):
        times = last.times + 1
        return (*log[:-1], replace(line, text=f"{said.text} x{times}", times=times))
    return (*log[-LOG_LINES + 1 :], line)


def _is_again(last: LogLine, said: Said) -> bool:
    if said.option or last.option:
        return said.option == last.option
    text = said.text if last.times == 1 else f"{said.text} x{last.times}"
    return (last.text, last.level) == (text, said.level)


def sentence(event: ev.Event, before: Before) -> Said | None:
    """What the log says of an event, None where nothing is to be said."""
    match event:
        case ev.RunPaused():
            return Said("paused")
        case ev.RunResumed():
            return Said("resumed")
        case ev.RunReopened():
            return Said("reopened")
        case ev.RunStopped():
            return Said("stopped")
        case ev.RunForked():
            return Said(f"forked from {event.parent} at step {event.step}")
        case ev.RunFailed():
            return Said(event.message, "error")
        case ev.Warned():
            return Said(event.message, "warning")
        case ev.ModelsLoaded():
            return Said(
                f"{counted(len(event.class_names), 'class', 'classes')}, "
                f"{event.train_size} training and {counted(event.test_size, 'test image')} of "
                f"{event.dataset_name}; {_models(event)} ready"
            )
        case ev.PlacesSet():
            places = ", ".join(f"{key} = {value}" for key, value in event.places.items())
            return Said(f"taken up with {places}")
        case ev.Edited():
            option = event.edit.key if isinstance(event.edit, SetOption) else ""
            when = f"({before.when(event.step)})"
            return Said(f"{event.edit.describe()} {when}{_by(event)}", option=option)
        case ev.EditUndone():
            undone = (e.edit.describe() for e in before.edits if e.number == event.number)
            return Said(f"undone: {next(undone, 'an edit')}{_by(event)}")
        case ev.Noted():
            return Said(_noted(event))
        case ev.TemplateInjected():
            by = _by(event)
            if before.scores_at_once:  # its score is next
                asked = Said(
                    f"injected{by}: {event.template}", option=_of_a_list(before, "accepted")
                )
                return asked if by else None
            later = f"injected, to be scored once the models are there{by}: {event.template}"
            return Said(later, option=_of_a_list(before, "accepted"))
        case ev.InjectionRefused():
            return Said(f"template refused: {event.reason} ({event.template})", "warning")
        case ev.TemplateScored():
            known = before.find(normalise(event.template))
            if event.origin == "llm" or (known is not None and event.n <= known.n):
                return None
            who = {"seed": "seed template", "listed": "listed"}.get(event.origin, "injected")
            again = f" (scored again, on {counted(event.n, 'image')})" if known is not None else ""
            share = f"{event.hits / event.n:.1%}{again}{_unnamed(event.unnamed, event.n)}"
            listed = _of_a_list(before, "scored") if event.origin == "human" else ""
            who = f"{who}, of a list" if listed else who
            return Said(f"{who}: {share} {event.template}", option=listed)
        case ev.StepRetried():
            return Said(
                f"step {event.step}: attempt {event.attempt} of {event.attempts} gave "
                f"{counted(event.new, 'new template')}, {event.needed} needed; "
                f"{_what_next(event)}",
                "warning",
            )
        case ev.AnchorsMoved():
            best = before.find(event.positive)
            if best is None:
                return None
            failed = _unnamed(best.unnamed, best.n)
            return Said(f"new best {best.accuracy:.1%}{failed}: {best.text}")
        case ev.StepFinished():
            return Said(
                f"step {event.step}: best {event.best:.1%}; {event.new} new, "
                f"{event.duplicates} repeated, {event.rejected} rejected{_of_images(before)}"
            )
        case ev.RunFinished():
            return Said(f"finished{_of_images(before)}")
        case ev.TestMeasured():
            share, images = f"{event.hits / event.n:.1%}", counted(event.n, "image")
            rest = f"{_unnamed(event.unnamed, event.n)}{_probability(event.probability)}"
            if event.subject == "asked":
                seen = f"{share} of {images}{rest}: {event.templates[0]}"
                return Said(f"test accuracy, which only you see: {seen}")
            # The number first: where the line is cut, it is what one looks for.
            return Said(f"test accuracy {share}: {_chosen(event)}, {images}{rest}")
        case ev.TestAsked():
            if event.every:
                return None  # its measurement is next
            return Said(f"test accuracy asked for{_by(event)}: {event.template}")
        case ev.TestDropped():
            if event.problem:
                said = f"test accuracy can't be measured: {event.problem} ({event.template})"
                return Said(said, "warning")
            return Said(f"test called off{_by(event)}: {event.template}")
    return None


def _models(event: ev.ModelsLoaded) -> str:
    """Which are ready; a run that asks no LLM has none."""
    return f"{event.llm} and {event.vlm} are" if event.llm else f"{event.vlm} is"


def _chosen(event: ev.TestMeasured) -> str:
    return event.subject if event.selection == "top" else f"{event.subject} (chosen greedily)"


def _unnamed(count: int, images: int) -> str:
    """The rate of answers that could not be read, where there are any."""
    return f" ({count / images:.1%} of the answers name nothing)" if count else ""


def _probability(mean: float | None) -> str:
    """That of the true class, where it is known."""
    return f"; mean probability of the true class {mean:.1%}" if mean is not None else ""


def _of_images(before: Before) -> str:
    """How many images a race has left out, where it has."""
    scored, of_all = before.images_scored
    return f"; scored on {scored:,} of {of_all:,} images" if scored < of_all else ""


def _what_next(event: ev.StepRetried) -> str:
    if event.attempt >= event.attempts:
        return "no attempt is left"
    if event.again:
        return "asking again"
    return "at temperature 0 the same question gets the same replies, so it is not asked again"


def _noted(event: ev.Noted) -> str:
    on = event.template or ("the run" if event.step is None else f"step {event.step}")
    by = f", by {event.author}" if event.author else ""
    if not event.text:
        return f"note {event.number} taken away{by}"
    return f"note {event.number} on {on}{by}: {' '.join(event.text.split())}"


def _of_a_list(before: Before, what: str) -> str:
    """What makes a long list of templates one line: else nothing but it would be in the log."""
    return f"list {what}" if len(before.waiting) > LIST else ""


def _by(asked: AskedFact) -> str:
    """Who asked for it, and why, where that was said."""
    said = asked_by(asked.author, asked.reason)
    return f", {said}" if said else ""

"""A past step, from the journal: what the LLM was asked, how it was steered, what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.common.errors import JournalError
from engine.config import RunConfig
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.experiment import SteeringSetting
from engine.run.state import RunState
from engine.storage.journal import read_journal
from engine.storage.run_folder import run_argument

E = TypeVar("E", ev.MetaPromptComposed, ev.SteeringMeasured)
_OF_THE_CONFIGURATION = (
    ev.RunStarted,
    ev.PlacesSet,
    ev.Edited,
    ev.EditUndone,
    ev.StepStarted,
    ev.StepFinished,
)


@dataclass(frozen=True, slots=True)
class PastStep:
    """The last attempt of a step that has one reply or more."""

    step: int
    attempt: int
    config: RunConfig  # as it was, with the edits that held then
    messages: tuple[Message, ...]
    prepared: ev.SteeringPrepared | None  # None: it was not steered
    effect: ev.SteeringMeasured | None
    replies: tuple[ev.CandidateProposed, ...]
    inherited: bool  # done by the run that this one was forked from
    accuracies: dict[str, float]  # of the step's own templates, as scored in it, by their text

    @property
    def setting(self) -> SteeringSetting | None:
        """How it was steered."""
        if self.prepared is None:
            return None
        return SteeringSetting(
            mode=self.prepared.mode,
            layers=self.prepared.layers,
            alpha=self.prepared.alpha,
            alpha_unit=self.prepared.alpha_unit,
            pool=self.prepared.pool,
        )


def read_past_step(folder: Path, step: int) -> PastStep:
    """A step of the run in ``folder``, which may be under way.

    Raises:
        JournalError: if the journal can't be read, or has no reply of this step.
    """
    found = past_step(read_journal(folder).events, step)
    if found is None:
        raise JournalError(
            f"the journal of {run_argument(folder)} has no replies of step {step} (yet): they are "
            "in it once all of an attempt are written"
        )
    return found


def past_step(events: Sequence[ev.Event], step: int) -> PastStep | None:
    """As ``read_past_step``; None if there is no reply. Of a step that was begun again the last
    time counts.
    """
    begins = [i for i, event in enumerate(events) if _begins(event, step)]
    if not begins:
        return None
    begin = begins[-1]
    own: list[ev.Event] = []
    for event in events[begin:]:
        if isinstance(event, ev.StepStarted) and event.step != step:
            break
        own.append(event)
    replies = [event for event in own if isinstance(event, ev.CandidateProposed)]
    if not replies:
        return None
    attempt = replies[-1].attempt
    prompt = _last(own, ev.MetaPromptComposed, attempt)
    prepared = next(
        (event for event in reversed(own) if isinstance(event, ev.SteeringPrepared)), None
    )
    head = [event for event in events[: begin + 1] if isinstance(event, _OF_THE_CONFIGURATION)]
    config = RunState().apply_all(head).config
    assert config is not None
    return PastStep(
        step=step,
        attempt=attempt,
        config=config,
        messages=prompt.messages if prompt is not None else (),
        prepared=prepared,
        effect=_last(own, ev.SteeringMeasured, attempt),
        replies=tuple(reply for reply in replies if reply.attempt == attempt),
        inherited=any(isinstance(e, ev.RunForked) and e.step >= step for e in events[begin:]),
        accuracies={
            event.template: event.hits / event.n
            for event in own
            if isinstance(event, ev.TemplateScored)
        },
    )


def _begins(event: ev.Event, step: int) -> bool:
    return isinstance(event, ev.StepStarted) and event.step == step


def _last(events: Sequence[ev.Event], kind: type[E], attempt: int) -> E | None:
    found = (e for e in reversed(events) if isinstance(e, kind) and e.attempt == attempt)
    return next(found, None)

"""The events of a run: one closed union of frozen records, one JSON line each.

*Facts* are what was asked, proposed, scored, decided: they are journaled, and the state of a run
is their fold. *Telemetry* (progress, tokens as they stream) is shown and forgotten. Facts are
here, those on steering in ``steering_facts``, on servers in
``server_facts``, on the test split in ``test_facts``, telemetry in ``telemetry``; all go by
``events.NAME``.

Numbers have the ranges that an engine can give them: a journal with others is damaged, and is
known to be when it is read, not when a chart is drawn.
"""

import contextlib
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from engine.common.bits import text_to_bits
from engine.common.record import (
    Count,
    LogLikelihood,
    Positive,
    Seconds,
    Share,
    to_json,
)
from engine.prompts.message import Finish, Message
from engine.run.edits import Edit
from engine.run.event_record import AskedFact, EventRecord, check_hits
from engine.run.note_facts import Noted as Noted
from engine.run.server_facts import ServerUsed as ServerUsed
from engine.run.steering_facts import AlphaTrial as AlphaTrial
from engine.run.steering_facts import SteeringMeasured as SteeringMeasured
from engine.run.steering_facts import SteeringPrepared as SteeringPrepared
from engine.run.step_times import StepTimes as StepTimes
from engine.run.telemetry import ExperimentEnded as ExperimentEnded
from engine.run.telemetry import ExperimentProgress as ExperimentProgress
from engine.run.telemetry import ExperimentStarted as ExperimentStarted
from engine.run.telemetry import HostPast as HostPast
from engine.run.telemetry import MachineMeasured as MachineMeasured
from engine.run.telemetry import Phase as Phase
from engine.run.telemetry import Progress as Progress
from engine.run.telemetry import SampleAnswer as SampleAnswer
from engine.run.telemetry import TemplateSoFar as TemplateSoFar
from engine.run.telemetry import TokensStreamed as TokensStreamed
from engine.run.test_facts import Subject as Subject
from engine.run.test_facts import TestAsked as TestAsked
from engine.run.test_facts import TestDropped as TestDropped
from engine.run.test_facts import TestMeasured as TestMeasured

JOURNAL_VERSION = 2

Origin = Literal["seed", "listed", "llm", "human"]
Outcome = Literal["new", "duplicate", "rejected"]


class RunStarted(EventRecord):
    """The first line of every journal."""

    kind: Literal["run-started"] = "run-started"
    run: str
    config: dict[str, Any]
    versions: dict[str, str]
    journal_version: int = JOURNAL_VERSION


class ModelsLoaded(EventRecord):
    """Both models and the data are ready. Accuracies of this run rest on these splits."""

    kind: Literal["models-loaded"] = "models-loaded"
    llm: str
    llm_layers: Count
    vlm: str
    dataset_name: str
    dataset_description: str
    dataset_fingerprint: str  # of files and splits: equal where numbers are comparable
    class_names: tuple[str, ...]
    class_sizes: tuple[Count, ...] = ()  # training images of each class, in the same order
    train_size: Count
    test_size: Count
    seconds: Seconds
    versions: dict[str, str] = Field(default_factory=dict)  # of libraries behind the numbers
    cache_entries: tuple[str, ...] = ()  # keys of the image features that scores rest on
    threads: str = ""  # how the CPU was used
    # What tells these from others: of the models' files, of what was loaded, of the images that
    # scores rest on and their content. Nothing where it is not known.
    llm_revision: str = ""
    vlm_revision: str = ""
    vlm_weights: str = ""
    train_fingerprint: str = ""
    test_fingerprint: str = ""
    llm_thinks_first: bool = False  # a thought begins each reply, so that it can't be begun for it


class PlacesSet(EventRecord):
    """It was said anew where the data and models are, or how they run: values by dotted key."""

    kind: Literal["places-set"] = "places-set"
    places: dict[str, Any]


class StepStarted(EventRecord):
    """Step ``step`` (from 1; the seed template is step 0) begins, or begins again."""

    kind: Literal["step-started"] = "step-started"
    step: Count


class MetaPromptComposed(EventRecord):
    """The very messages that the LLM is asked with, and the templates shown in them."""

    kind: Literal["meta-prompt-composed"] = "meta-prompt-composed"
    step: Count
    attempt: Count
    messages: tuple[Message, ...]
    best: tuple[str, ...]  # identities, from low to high accuracy
    worst: tuple[str, ...]


class CandidateProposed(EventRecord):
    """One reply, and what was made of it."""

    kind: Literal["candidate-proposed"] = "candidate-proposed"
    step: Count
    attempt: Count
    candidate: Count
    reply: str
    tokens: Count
    finish: Finish
    outcome: Outcome
    template: str | None = None
    reason: str | None = None  # why it was rejected, one of engine.prompts.reply's
    note: str | None = None  # what was cleaned, or which template it repeats
    thought: str = ""  # what the LLM thought before the reply
    thought_tokens: Count = 0


class TemplateScored(EventRecord):
    """A template's few-shot accuracy: ``hits`` of ``n`` training images, margin in nats.

    Scored again on more images, the template keeps its place and has the new score; on as many or
    fewer nothing changes.
    """

    kind: Literal["template-scored"] = "template-scored"
    step: Count
    attempt: Count
    candidate: Count
    template: str
    origin: Origin
    hits: Count
    n: Positive
    margin: LogLikelihood
    class_hits: tuple[Count, ...]  # of each class, in the order of models-loaded
    unnamed: Count = 0  # images whose answer names no class: they count as wrong
    probability: Share | None = None  # mean of the true class, 0 where the answer names none
    right: str = ""  # which images were, in the order of the race: bits in base64; none without one

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_hits(self.hits, self.n, self.unnamed)
        if self.right and sum(text_to_bits(self.right, self.n)) != self.hits:
            raise ValueError(f"right has other hits than {self.hits} of {self.n}")
        return self


class StepRetried(EventRecord):
    """Too few new templates: the step asks again, if it can."""

    kind: Literal["step-retried"] = "step-retried"
    step: Count
    attempt: Count  # the attempt that fell short
    new: Count
    needed: int
    attempts: Count
    again: bool = True  # False: no attempt is left, or it would be the same question


class AnchorsMoved(EventRecord):
    """A new best was found: P+ and P- are now these (identities of templates)."""

    kind: Literal["anchors-moved"] = "anchors-moved"
    step: Count
    positive: str
    negative: str


class StepFinished(EventRecord):
    """Sums of a step. Accuracies are shares, 0 to 1, None where nothing new was scored."""

    kind: Literal["step-finished"] = "step-finished"
    step: Count
    attempts: Count
    new: Count
    duplicates: Count
    rejected: Count
    tokens: Count
    step_best: Share | None
    step_mean: Share | None
    best: Share
    seconds: Seconds  # of work: without pauses, and what was measured on the test split
    times: StepTimes | None = None  # the same by phase; null: an earlier glov measured none


class FinishStarted(EventRecord):
    """All steps are done. What was edited since the last one began takes effect now."""

    kind: Literal["finish-started"] = "finish-started"
    step: Count  # the last one


class TemplateInjected(AskedFact):
    """A person's template was accepted; it is scored as soon as the models are there."""

    kind: Literal["template-injected"] = "template-injected"
    step: Count  # the one under way, or the last one done
    template: str


class InjectionRefused(EventRecord):
    """A person's template that was accepted can't be scored after all, and waits no longer."""

    kind: Literal["injection-refused"] = "injection-refused"
    template: str
    reason: str


class RunPaused(EventRecord):
    """The engine holds, between two tokens or two facts, until told to go on."""

    kind: Literal["run-paused"] = "run-paused"
    step: Count


class Edited(AskedFact):
    """A person's edit, numbered from 1; it holds from ``step`` on."""

    kind: Literal["edited"] = "edited"
    number: Count
    step: Count
    edit: Edit


class EditUndone(AskedFact):
    """An edit was taken back before it took effect."""

    kind: Literal["edit-undone"] = "edit-undone"
    number: Count


class RunForked(EventRecord):
    """All facts before this one are those of another run, up to the end of one of its steps."""

    kind: Literal["run-forked"] = "run-forked"
    parent: str  # the name of its folder
    step: Count  # the last one that both runs share; 0: only the seed template was scored


class RunReopened(EventRecord):
    """Another process takes the run up where its journal ends, and loads the models anew."""

    kind: Literal["run-reopened"] = "run-reopened"
    versions: dict[str, str]


class RunResumed(EventRecord):
    """The engine goes on after a pause."""

    kind: Literal["run-resumed"] = "run-resumed"
    step: Count


class RunStopped(EventRecord):
    """Stopped on request; the run can be resumed."""

    kind: Literal["run-stopped"] = "run-stopped"
    step: Count


class Warned(EventRecord):
    """Something that the user should know and the run survives."""

    kind: Literal["warned"] = "warned"
    message: str
    refuses: str = ""  # the kind of the command that is not done


class RunFailed(EventRecord):
    """The run can't go on: what happened and what to do."""

    kind: Literal["run-failed"] = "run-failed"
    message: str


class RunFinished(EventRecord):
    """All steps are done and the final ensemble was measured."""

    kind: Literal["run-finished"] = "run-finished"
    step: Count


Event = Annotated[
    RunStarted
    | ModelsLoaded
    | PlacesSet
    | StepStarted
    | MetaPromptComposed
    | SteeringPrepared
    | SteeringMeasured
    | ServerUsed
    | CandidateProposed
    | TemplateScored
    | StepRetried
    | AnchorsMoved
    | StepFinished
    | TestAsked
    | TestMeasured
    | TestDropped
    | FinishStarted
    | TemplateInjected
    | InjectionRefused
    | Edited
    | EditUndone
    | Noted
    | RunForked
    | RunReopened
    | RunPaused
    | RunResumed
    | RunStopped
    | Warned
    | RunFailed
    | RunFinished
    | Progress
    | MachineMeasured
    | TokensStreamed
    | ExperimentStarted
    | ExperimentProgress
    | ExperimentEnded,
    Field(discriminator="kind"),
]

_FIRST = b'"kind":"run-started"'
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(defer_build=True))


def parse_event(line: str | bytes) -> Event:
    """Read one JSON line.

    Raises:
        pydantic.ValidationError: if the line is no JSON, of an unknown kind, or malformed.
    """
    begin = line[:80]
    if _FIRST in (begin.encode() if isinstance(begin, str) else begin):
        # Of a new run only this is read before the first paint: all other schemas can wait.
        with contextlib.suppress(ValidationError):
            return RunStarted.model_validate_json(line)
    return _ADAPTER.validate_json(line)


def format_event(event: Event) -> str:
    """One JSON line without the line end. Non-ASCII is kept; control characters are escaped."""
    return to_json(event)

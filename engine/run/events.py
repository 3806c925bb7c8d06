"""The events of a run: one closed union of frozen records, one JSON line each.

*Facts* are what was asked, proposed, scored, decided: they are journaled, and the state of a run
is their fold. *Telemetry* (progress, tokens as they stream) is shown and forgotten. ``time`` is
Unix time in seconds; together with ``seconds`` it is all that may differ between two runs of the
same configuration on the same machine.

Numbers have the ranges that an engine can give them: a journal with others is damaged, and is
known to be when it is read, not when a chart is drawn.
"""

import contextlib
import time
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from engine.common.record import (
    Count,
    LogLikelihood,
    Positive,
    Record,
    Seconds,
    Share,
    UnixTime,
    to_json,
)
from engine.config import Alpha, AlphaUnit, Pooling, SteeringMode
from engine.prompts.message import Finish, Message
from engine.run.edits import Edit
from engine.run.experiment import CellMeasured, Experiment
from engine.steering.measures import LayerLens, TracedReply
from engine.steering.soundness import Register

JOURNAL_VERSION = 2

Phase = Literal[
    "loading", "seed template", "meta-prompt", "steering", "proposing", "scoring", "testing", "idle"
]
Origin = Literal["seed", "llm", "human"]
Subject = Literal["seed", "best", "ensemble"]
Outcome = Literal["new", "duplicate", "rejected"]


class _Event(Record):
    is_fact: ClassVar[bool] = True

    time: UnixTime = Field(default_factory=time.time)

    def comparable(self) -> dict[str, Any]:
        """Everything but clock readings: equal for equal runs."""
        return self.model_dump(mode="json", exclude={"time", "seconds"})


def _check_hits(hits: int, n: int) -> None:
    if hits > n:
        raise ValueError(f"{hits} hits among {n}")


class RunStarted(_Event):
    """The first line of every journal."""

    kind: Literal["run-started"] = "run-started"
    run: str
    config: dict[str, Any]
    versions: dict[str, str]
    journal_version: int = JOURNAL_VERSION


class ModelsLoaded(_Event):
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


class PlacesSet(_Event):
    """It was said anew where the data and models are, or how they run: values by dotted key."""

    kind: Literal["places-set"] = "places-set"
    places: dict[str, Any]


class StepStarted(_Event):
    """Step ``step`` (from 1; the seed template is step 0) begins, or begins again."""

    kind: Literal["step-started"] = "step-started"
    step: Count


class MetaPromptComposed(_Event):
    """The very messages that the LLM is asked with, and the templates shown in them."""

    kind: Literal["meta-prompt-composed"] = "meta-prompt-composed"
    step: Count
    attempt: Count
    messages: tuple[Message, ...]
    best: tuple[str, ...]  # identities, from low to high accuracy
    worst: tuple[str, ...]


class AlphaTrial(Record):
    """What ``alpha = "auto"`` knows of one alpha: replies sampled with it and their mean reward.

    A reply's reward is the accuracy of its template less that of P+ when it was sampled; a reply
    without a template counts as accuracy 0.
    """

    alpha: Alpha
    replies: Count
    reward: float  # mean, -1 to 1
    spread: float  # standard deviation of the rewards
    rejected: Count = 0  # replies without a template


class SteeringPrepared(_Event):
    """The offsets of a step: tuples of numbers have one entry per decoder layer."""

    kind: Literal["steering-prepared"] = "steering-prepared"
    step: Count
    positive: str
    negative: str
    mode: SteeringMode
    pool: Pooling
    layers: tuple[Count, ...]
    alpha: Alpha
    norms: tuple[float, ...]  # of H+ - H-
    ratios: tuple[float, ...]  # the same over the mean hidden-state norm
    alpha_unit: AlphaUnit = "absolute"
    hidden_norms: tuple[float, ...] = ()  # mean norm of the hidden states of both templates
    neighbour_cosines: tuple[float, ...] = ()  # with the layer below; layer 0 has 0
    previous_cosines: tuple[float, ...] = ()  # with the last steered step's; empty at the first
    trials: tuple[AlphaTrial, ...] = ()  # with alpha = auto: what the choice rests on
    front: str | None = None  # the token put in front of both texts; None: the tokenizer's own
    sink_shares: tuple[Share, ...] = ()  # of the first position, in the squared norm of H+ - H-
    registers: tuple[Register, ...] = ()  # states of the steered layers that stand out


class SteeringMeasured(_Event):
    """What the offset did to the next-token distribution in one attempt's replies.

    Means over all sampled tokens. Only where both distributions were computed anyway: in modes
    whose KV cache is un-steered, with a model that can be decoded packed.
    """

    kind: Literal["steering-measured"] = "steering-measured"
    step: Count
    attempt: Count
    tokens: Count
    kl: float  # KL(steered || unsteered), nats
    changed: Share  # share of tokens that would have been others without steering, 0 to 1
    raised: tuple[tuple[str, float], ...]  # the tokens that gained most, and their mean gain
    lowered: tuple[tuple[str, float], ...]  # the tokens that lost most, mean change below 0


class CandidateProposed(_Event):
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


class TemplateScored(_Event):
    """A template's few-shot accuracy: ``hits`` of ``n`` training images, margin in nats."""

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

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _check_hits(self.hits, self.n)
        return self


class StepRetried(_Event):
    """Too few new templates: the step asks again, if it can."""

    kind: Literal["step-retried"] = "step-retried"
    step: Count
    attempt: Count  # the attempt that fell short
    new: Count
    needed: int
    attempts: Count
    again: bool = True  # False: no attempt is left, or it would be the same question


class AnchorsMoved(_Event):
    """A new best was found: P+ and P- are now these (identities of templates)."""

    kind: Literal["anchors-moved"] = "anchors-moved"
    step: Count
    positive: str
    negative: str


class StepFinished(_Event):
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
    seconds: Seconds


class TestMeasured(_Event):
    """Accuracy on the test split, which the search never uses."""

    __test__: ClassVar[bool] = False  # not a test case, whatever pytest thinks of its name

    kind: Literal["test-measured"] = "test-measured"
    step: Count
    subject: Subject
    templates: tuple[str, ...]
    hits: Count
    n: Positive
    seconds: Seconds

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _check_hits(self.hits, self.n)
        return self


class FinishStarted(_Event):
    """All steps are done. What was edited since the last one began takes effect now."""

    kind: Literal["finish-started"] = "finish-started"
    step: Count  # the last one


class TemplateInjected(_Event):
    """A person's template was accepted; it is scored as soon as the models are there."""

    kind: Literal["template-injected"] = "template-injected"
    step: Count  # the one under way, or the last one done
    template: str


class InjectionRefused(_Event):
    """A person's template that was accepted can't be scored after all, and waits no longer."""

    kind: Literal["injection-refused"] = "injection-refused"
    template: str
    reason: str


class RunPaused(_Event):
    """The engine holds, between two tokens or two facts, until told to go on."""

    kind: Literal["run-paused"] = "run-paused"
    step: Count


class Edited(_Event):
    """A person's edit, numbered from 1; it holds from ``step`` on."""

    kind: Literal["edited"] = "edited"
    number: Count
    step: Count
    edit: Edit


class EditUndone(_Event):
    """An edit was taken back before it took effect."""

    kind: Literal["edit-undone"] = "edit-undone"
    number: Count


class RunForked(_Event):
    """All facts before this one are those of another run, up to the end of one of its steps."""

    kind: Literal["run-forked"] = "run-forked"
    parent: str  # the name of its folder
    step: Count  # the last one that both runs share; 0: only the seed template was scored


class RunReopened(_Event):
    """Another process takes the run up where its journal ends, and loads the models anew."""

    kind: Literal["run-reopened"] = "run-reopened"
    versions: dict[str, str]


class RunResumed(_Event):
    """The engine goes on after a pause."""

    kind: Literal["run-resumed"] = "run-resumed"
    step: Count


class RunStopped(_Event):
    """Stopped on request; the run can be resumed."""

    kind: Literal["run-stopped"] = "run-stopped"
    step: Count


class Warned(_Event):
    """Something that the user should know and the run survives."""

    kind: Literal["warned"] = "warned"
    message: str


class RunFailed(_Event):
    """The run can't go on: what happened and what to do."""

    kind: Literal["run-failed"] = "run-failed"
    message: str


class RunFinished(_Event):
    """All steps are done and the final ensemble was measured."""

    kind: Literal["run-finished"] = "run-finished"
    step: Count


class Progress(_Event):
    """Telemetry: the phase, and ``done`` of ``total`` units in it (0 of 0: not countable)."""

    kind: Literal["progress"] = "progress"
    is_fact: ClassVar[bool] = False
    phase: Phase
    detail: str = ""
    done: Count = 0
    total: Count = 0


class TokensStreamed(_Event):
    """Telemetry: what one decoding step added to each reply of the attempt."""

    kind: Literal["tokens-streamed"] = "tokens-streamed"
    is_fact: ClassVar[bool] = False
    step: Count
    attempt: Count
    texts: tuple[str, ...]
    thoughts: tuple[str, ...] = ()  # and to its thought; empty where nothing was added to any


class ExperimentStarted(_Event):
    """Telemetry: the steering lab begins; what an earlier experiment found is forgotten."""

    kind: Literal["experiment-started"] = "experiment-started"
    is_fact: ClassVar[bool] = False
    experiment: Experiment


class ExperimentProgress(_Event):
    """Telemetry: ``done`` of ``total`` decoding steps or readings of the experiment."""

    kind: Literal["experiment-progress"] = "experiment-progress"
    is_fact: ClassVar[bool] = False
    done: Count
    total: Count


class RepliesCompared(_Event):
    """Telemetry: the replies of both settings, in the order of their seeds."""

    kind: Literal["replies-compared"] = "replies-compared"
    is_fact: ClassVar[bool] = False
    left: tuple[TracedReply, ...]
    right: tuple[TracedReply, ...]


class SettingMeasured(_Event):
    """Telemetry: one more cell of the grid."""

    kind: Literal["setting-measured"] = "setting-measured"
    is_fact: ClassVar[bool] = False
    cell: CellMeasured


class LensRead(_Event):
    """Telemetry: the logit lens of every layer."""

    kind: Literal["lens-read"] = "lens-read"
    is_fact: ClassVar[bool] = False
    layers: tuple[LayerLens, ...]


class ExperimentEnded(_Event):
    """Telemetry: done, ended by a person, or given up for ``problem``."""

    kind: Literal["experiment-ended"] = "experiment-ended"
    is_fact: ClassVar[bool] = False
    problem: str | None = None
    seconds: Seconds = 0.0


Event = Annotated[
    RunStarted
    | ModelsLoaded
    | PlacesSet
    | StepStarted
    | MetaPromptComposed
    | SteeringPrepared
    | SteeringMeasured
    | CandidateProposed
    | TemplateScored
    | StepRetried
    | AnchorsMoved
    | StepFinished
    | TestMeasured
    | FinishStarted
    | TemplateInjected
    | InjectionRefused
    | Edited
    | EditUndone
    | RunForked
    | RunReopened
    | RunPaused
    | RunResumed
    | RunStopped
    | Warned
    | RunFailed
    | RunFinished
    | Progress
    | TokensStreamed
    | ExperimentStarted
    | ExperimentProgress
    | RepliesCompared
    | SettingMeasured
    | LensRead
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

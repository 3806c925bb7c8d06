"""What is known of a run at one moment, and what follows from it; how it came about: ``state``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from engine.config import RunConfig
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.asked import History
from engine.run.breaking import ReplyCount, Trials, breaking
from engine.run.experiment_state import ExperimentState
from engine.run.log_lines import Log
from engine.run.notes import Notes
from engine.run.ranking import ScoredTemplate
from engine.run.spent import Spent
from engine.run.template_log import TemplateLog
from engine.steering.soundness import Remark

Status = Literal["new", "loading", "running", "paused", "stopped", "failed", "finished"]
ENDED: tuple[Status, ...] = ("stopped", "failed", "finished")
"""No engine is at work, until the run is taken up again."""


@dataclass(frozen=True)
class RunFacts:
    """The fields of ``RunState``, and what can be derived of them."""

    run: str = ""
    config: RunConfig | None = None
    status: Status = "new"
    started_at: float = 0.0
    forked: ev.RunForked | None = None  # the last time, where a fork was forked
    # Models and data
    models: ev.ModelsLoaded | None = None
    # Where the engine is
    step: int = 0  # the step under way, or the last one done
    attempt: int = 0
    step_started_at: float = 0.0  # Unix time, later by as much as was paused since
    paused_at: float = 0.0  # Unix time; 0 while not paused
    progress: ev.Progress | None = None
    # What was asked and answered in the step under way
    step_begin: Self | None = None  # the state before the step under way; None between steps
    prompt: ev.MetaPromptComposed | None = None
    steering: ev.SteeringPrepared | None = None
    steering_before: ev.SteeringPrepared | None = None  # of the last steered step before it
    steering_effect: ev.SteeringMeasured | None = None  # of the step under way, or the last one
    machine: ev.MachineMeasured | None = None  # the engine's; None once it has ended
    experiment: ExperimentState | None = None  # of the steering lab; no part of the run
    streams: tuple[str, ...] = ()  # replies as they arrive, one per candidate of the attempt
    thoughts: tuple[str, ...] = ()  # their thoughts, where there are any
    candidates: tuple[ev.CandidateProposed, ...] = ()
    # The whole run
    scored: TemplateLog = field(default_factory=TemplateLog)  # templates, distinct by key
    anchors: tuple[str, str] | None = None  # keys of P+ and P-
    asked: History = ()  # of all attempts
    trials: Trials = field(default_factory=dict)
    unsteered: ReplyCount = field(default_factory=ReplyCount)  # of all steps that were not steered
    remarked: frozenset[str] = frozenset()  # keys of what was said of the steering
    spent: Spent | None = None  # on a server, also in steps that were cut off
    # What a person changed
    edits: tuple[ev.Edited, ...] = ()  # all that were not undone
    edits_made: int = 0  # with those that were undone
    pending: tuple[ev.Edited, ...] = ()  # those that have not taken effect
    pinned: frozenset[str] = frozenset()
    banned: frozenset[str] = frozenset()
    anchors_held: bool = False  # chosen by a person: the optimiser leaves them alone
    next_messages: tuple[Message, ...] | None = None  # sent in place of the composed ones
    waiting: tuple[ev.TemplateInjected, ...] = ()  # a person's templates that are to be scored
    not_scored: tuple[ev.InjectionRefused, ...] = ()  # a person's templates that could not be
    notes: Notes = ()
    notes_made: int = 0  # with those that were taken away
    steps: tuple[ev.StepFinished, ...] = ()
    # Accuracies on the test split, for people
    tests: tuple[ev.TestMeasured, ...] = ()
    tests_asked: tuple[ev.TestAsked, ...] = ()  # that wait to be measured
    best_asked_at: int = 0  # the step after which the best was asked for last: best_every
    log: Log = ()
    error: str | None = None

    # -- derived ---------------------------------------------------------------------------

    @property
    def steps_done(self) -> int:
        """Number of finished steps, 0 while only the seed template was scored."""
        return self.steps[-1].step if self.steps else 0

    @property
    def templates(self) -> tuple[ScoredTemplate, ...]:
        """All scored templates, first seen first."""
        return self.scored.all

    @property
    def best_at_begin(self) -> float | None:
        """The best accuracy before the first step: of the seed, or of templates that were listed or
        injected then; None while nothing was scored.
        """
        first = itertools.takewhile(lambda t: t.first.step == 0, self.scored)
        return max((t.accuracy for t in first), default=None)

    @property
    def ranking(self) -> tuple[ScoredTemplate, ...]:
        """The same templates, best first."""
        return self.scored.ranking

    @property
    def allowed(self) -> Sequence[ScoredTemplate]:
        """All templates but the banned ones, best first."""
        if not self.banned:
            return self.ranking
        return [t for t in self.ranking if t.key not in self.banned]

    @property
    def contenders(self) -> Sequence[ScoredTemplate]:
        """The allowed templates that were scored on all images, best first: what can be best."""
        if not self.has_partial:
            return self.allowed
        return [t for t in self.allowed if not self.is_partial(t)]

    @property
    def best(self) -> ScoredTemplate | None:
        """The first contender, else the first allowed template; cheap, for readers that poll."""
        first = None
        for template in self.ranking:
            if template.key not in self.banned:
                if not self.is_partial(template):
                    return template
                first = first or template
        return first

    @property
    def images_scored(self) -> tuple[int, int]:
        """Training images that the scores rest on together, and would without a race."""
        of_each = self.models.train_size if self.models is not None else 0
        return self.scored.images, of_each * len(self.scored)

    @property
    def next_step(self) -> int:
        """The first step that an edit made now can take effect in."""
        return self.steps_done + (2 if self.step_begin is not None else 1)

    @property
    def scores_at_once(self) -> bool:
        """Whether a person's template can be scored now: models and the seed's score are there."""
        return self.status != "loading" and self.test("seed") is not None

    def when(self, step: int) -> str:
        """When an edit takes effect that holds from ``step`` on, in words."""
        last = self.config.steps if self.config is not None else step
        return f"from step {step} on" if step <= last else "when the run finishes"

    @property
    def seed(self) -> ScoredTemplate | None:
        """The seed template with its score, the baseline of the run."""
        return next((t for t in self.scored if t.origin == "seed"), None)

    def find(self, key: str) -> ScoredTemplate | None:
        """The template with this identity, if it was scored."""
        return self.scored.find(key)

    @property
    def has_partial(self) -> bool:
        """Whether any template's score rests on a part of the training images."""
        scored, of_all = self.images_scored
        return self.models is not None and scored != of_all

    def is_partial(self, template: ScoredTemplate) -> bool:
        """Whether its score rests on other images than all of the training split."""
        return self.models is not None and template.n != self.models.train_size

    def class_hits(self, template: ScoredTemplate) -> list[tuple[str, int, int]]:
        """Name, hits and training images of each class that has any, in the data set's order."""
        if self.models is None:
            return []
        counted = zip(
            self.models.class_names, template.class_hits, self.models.class_sizes, strict=False
        )
        return [(name, hits, n) for name, hits, n in counted if n]

    def test(self, subject: ev.Subject) -> ev.TestMeasured | None:
        """The latest test measurement of this subject."""
        return next((t for t in reversed(self.tests) if t.subject == subject), None)

    def tested(self, template: str) -> ev.TestMeasured | None:
        """What is known of this very template on the test split, whoever asked for it."""
        return next((t for t in reversed(self.tests) if t.templates == (template,)), None)

    def breaking(self, steering: ev.SteeringPrepared | None) -> Iterator[Remark]:
        """What is to be said where replies that were steered so break."""
        is_auto = self.config is not None and self.config.steering.alpha == "auto"
        return breaking(steering, self.trials, self.unsteered, is_auto)

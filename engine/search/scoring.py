"""Scores of templates on the training images: on all of them, or as a race shows them to be worth.

Every image is shown to a template once a run, also across a resume: what is known of a template is
its score so far, with the images it rests on, and only those behind them are scored.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TypeVar

from engine.config import RunConfig
from engine.run import events as ev
from engine.run.emitting import Steps, relay
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.run.stopwatch import Stopwatch
from engine.search.racing import ERROR, is_surely_worse, race_order, race_sizes
from engine.search.sampled_answers import SampledAnswers
from engine.vlm.interface import Fitness, Score, ScoringProgress

T = TypeVar("T")

Scores = Mapping[str, Score]
"""By template text."""


@dataclass
class TrainScorer:
    """Scores templates on the training split; ``scores`` has what is known, and gets the rest."""

    config: RunConfig
    fitness: Fitness
    scores: dict[str, Score] = field(default_factory=dict)
    clock: Stopwatch = field(default_factory=Stopwatch)

    @property
    def races(self) -> bool:
        """Whether a template may be scored on some of the images."""
        return self.config.search.racing

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Indices of the training images in the order of a race."""
        return race_order(self.fitness.images("train"), self.config.sample_seed)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many images each part of a race ends with, ascending; the last one is all."""
        return race_sizes(self.fitness.size("train"))

    def on_all(self, state: RunState, templates: Iterable[str]) -> Steps[tuple[RunState, Scores]]:
        """The scores on all images. Where templates race, in the parts of a race."""
        if self.races:
            return (yield from self.race(state, templates, None))
        missing = [text for text in templates if text not in self.scores]
        if missing:
            work = self.fitness.score(missing, split="train")
            with self.clock.during("score"):
                state, scores = yield from with_progress(state, work, "scoring")
            self.scores.update(zip(missing, scores, strict=True))
        return state, self.scores

    def race(
        self, state: RunState, templates: Iterable[str], rival: str | None
    ) -> Steps[tuple[RunState, Scores]]:
        """The scores on as many images as each template needs to be told from its rival.

        Args:
            state: of the run.
            templates: that race.
            rival: a template with a score on all images; None: nothing is dropped.
        """
        running = list(dict.fromkeys(templates))
        against = self.scores[rival].right if rival is not None else ()
        error = ERROR / max(1, len(self.sizes) - 1)
        for size in self.sizes if rival is not None else self.sizes[-1:]:
            state = yield from self.grow(state, running, size)
            if rival is not None and size < len(self.order):
                running = [
                    text
                    for text in running
                    if not is_surely_worse(self.scores[text].right[:size], against, error)
                ]
        self.fitness.kept.settle()
        return state, self.scores

    def grow(self, state: RunState, templates: Sequence[str], size: int) -> Steps[RunState]:
        """Show templates the first ``size`` images, those of them that they have not seen."""
        seen: dict[int, list[str]] = {}  # templates by the images they rest on
        for text in templates:
            n = self.scores[text].n if text in self.scores else 0
            if n < size:
                seen.setdefault(n, []).append(text)
        for n, some in sorted(seen.items()):
            work = self.fitness.score(some, split="train", rows=self.order[n:size])
            before = self.scores if n else {}
            with self.clock.during("score"):
                state, found = yield from with_progress(state, work, "scoring", before)
            for text, score in zip(some, found, strict=True):
                self.scores[text] = self.scores[text].plus(score) if n else score
        return state


def rival(state: RunState, step: int) -> str | None:
    """Whom the templates of a step race against: the best that earlier steps had on all images.

    What a person injected within the step is not, so that a step that begins again races alike.
    """
    return next((t.text for t in state.contenders if t.first.step < step), None)


def is_chosen(template: ScoredTemplate, state: RunState) -> bool:
    """Whether a person pinned it, or holds it as P+ or P-: then it is worth all images."""
    held = state.anchors if state.anchors_held and state.anchors else ()
    return template.key in state.pinned or template.key in held


def with_progress(
    state: RunState,
    work: Generator[ScoringProgress, None, T],
    phase: ev.Phase,
    before: Scores | None = None,
) -> Steps[tuple[RunState, T]]:
    """Run what a fitness does to its end, and tell how far it is.

    ``before`` has the scores of templates on other images, where these are to be added to them.
    """
    sample = SampledAnswers()
    known = before or {}

    def tell(now: ScoringProgress) -> tuple[ev.Event, ...]:
        parts = (
            part.after(known[part.template]) if part.template in known else part
            for part in now.so_far
        )
        progress = ev.Progress(
            phase=phase,
            done=now.done,
            total=now.total,
            answer=sample.of(now),
            so_far=tuple(ev.TemplateSoFar(**asdict(part)) for part in parts),
        )
        return (progress,)

    return (yield from relay(state, work, tell))

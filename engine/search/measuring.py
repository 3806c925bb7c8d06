"""What is measured on the test split: the seed template, the best one, and the ensemble.

People are shown it. The search never is: nothing of it goes back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.config import RunConfig
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.emitting import Events, Steps, emit
from engine.run.state import RunState
from engine.run.stopwatch import Stopwatch
from engine.search.ensemble import Pool, choose_ensemble, ensemble_pool, top_pool
from engine.search.scoring import with_progress
from engine.vlm.families import seed_template
from engine.vlm.interface import Fitness, Score
from engine.vlm.predictions import together


@dataclass(frozen=True)
class Measured:
    """A measurement that is not emitted yet, and the templates that were chosen from for it."""

    event: ev.TestMeasured
    pool: Pool


@dataclass
class TestScorer:
    """Measures on the test split.

    Where ``raced`` is given, these are scores that will be emitted with the measurement. Where
    templates are ``given``, they are the ensemble, but for those that a person banned.
    """

    __test__: ClassVar[bool] = False  # not a test case, whatever pytest thinks of its name

    config: RunConfig
    fitness: Fitness
    clock: Stopwatch
    given: tuple[str, ...] = ()

    def measured(
        self,
        state: RunState,
        step: int,
        subject: ev.Subject,
        raced: tuple[ev.TemplateScored, ...] = (),
    ) -> Steps[tuple[RunState, Measured]]:
        """Measured, and not yet emitted: of what is best when the measurement is done."""
        with self.clock.during("test"):
            return (yield from self._measured(state, step, subject, raced))

    def asked(self, state: RunState, asked: ev.TestAsked) -> Events:
        """One template that a person asked for, measured and emitted."""
        begun = time.monotonic()  # of a pause too, which the clock of work does not count
        templates = (asked.template,)
        work = self.fitness.score_ensemble(templates, split="test")
        with self.clock.during("test"):
            state, score = yield from with_progress(state, work, "testing")
        self._keep(templates, score)
        event = ev.TestMeasured(
            step=state.step,
            subject="asked",
            templates=templates,
            hits=score.hits,
            n=score.n,
            seconds=time.monotonic() - begun,
            unnamed=score.unnamed,
            probability=score.probability,
            author=asked.author,
            reason=asked.reason,
        )
        return (yield from emit(state, event))

    def _measured(
        self,
        state: RunState,
        step: int,
        subject: ev.Subject,
        raced: tuple[ev.TemplateScored, ...],
    ) -> Steps[tuple[RunState, Measured]]:
        begun = self.clock()
        count = self.config.evaluation.ensemble
        pool, now = None, self._pool(state, subject, raced)
        measured: tuple[str, ...] = ()
        while pool != now:  # a person's template may be added meanwhile
            pool = now
            state, chosen = yield from choose_ensemble(state, pool, count, self.fitness)
            if chosen.templates != measured:
                measured = chosen.templates
                work = self.fitness.score_ensemble(measured, split="test")
                state, score = yield from with_progress(state, work, "testing")
                self._keep(measured, score)
            now = self._pool(state, subject, raced)
        event = ev.TestMeasured(
            step=step,
            subject=subject,
            templates=chosen.templates,
            selection=chosen.selection,
            hits=score.hits,
            n=score.n,
            seconds=self.clock() - begun,
            unnamed=score.unnamed,
            probability=score.probability,
        )
        return state, Measured(event, pool)

    def _keep(self, templates: Sequence[str], score: Score) -> None:
        """Beside the journal, for people: ``glov eval`` and ``glov export`` read it there."""
        store = self.fitness.kept.store
        if store is not None and score.made is not None:
            store.keep("test", {together(templates): score.made})

    def is_outdated(
        self, measured: Measured, state: RunState, raced: tuple[ev.TemplateScored, ...] = ()
    ) -> bool:
        """Whether it would now be chosen from other templates."""
        return measured.pool != self._pool(state, measured.event.subject, raced)

    def _pool(
        self, state: RunState, subject: ev.Subject, raced: tuple[ev.TemplateScored, ...]
    ) -> Pool:
        if subject == "seed":
            return Pool((seed_template(self.config),), "top")
        state = state.apply_all(raced)
        if subject == "best":
            return top_pool(state, 1)
        given = tuple(text for text in self.given if normalise(text) not in state.banned)
        if given:
            return Pool(given, "top")
        images, classes = self.fitness.size("train"), len(self.fitness.class_names)
        return ensemble_pool(state, self.config, images, classes)

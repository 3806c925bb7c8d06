"""No search at all, to compare with: templates that were there before, scored and measured.

No LLM is asked and there are no steps. Step 0 scores the templates on the training images, so that
they stand in the ranking; the ensemble is all of them, whatever their scores.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.prompts.message import Message
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.emitting import Events, emit
from engine.run.state import RunState
from engine.run.step_facts import template_scored
from engine.search.confused import Confused
from engine.search.measuring import TestScorer
from engine.search.meta_prompt import MetaPrompt
from engine.search.proposing import Examples, ProposingSearch
from engine.vlm.families import seed_template


class GivenTemplates(ProposingSearch):
    """A baseline of given templates; the paper ensembles them as it does those of a search."""

    @property
    def given(self) -> tuple[str, ...]:
        """The templates that are the ensemble."""
        return self.config.search.templates or (seed_template(self.config),)

    @staticmethod
    def examples(state: RunState, step: int) -> Examples:
        """None, as nothing is asked."""
        return [], []

    @classmethod
    def question(
        cls,
        meta_prompt: MetaPrompt,
        state: RunState,
        step: int,
        attempt: int = 1,
        confused: Sequence[Confused] = (),
    ) -> tuple[Message, ...]:
        """Nothing is asked."""
        return ()

    def score_given(self, state: RunState) -> Events:
        """The templates on the training images, but for the seed template, which is scored."""
        fresh = {normalise(text): text for text in reversed(self.given)}  # the first spelling
        fresh.pop(normalise(seed_template(self.config)), None)
        texts = list(reversed(fresh.values()))
        for text in texts:
            check = self.fitness.check(text)
            if check.note is not None:
                state = yield from emit(state, ev.Warned(message=f"{text}: {check.sentence}"))
        state, scores = yield from self._train.on_all(state, texts)
        for number, text in enumerate(texts, start=1):
            scored = template_scored(text, scores[text], "listed", 0, attempt=1, candidate=number)
            state = yield from emit(state, scored)
        return state

    @property
    def _test(self) -> TestScorer:
        return TestScorer(self.config, self.fitness, self.clock, self.given)


class SeedAlone(GivenTemplates):
    """The paper's S-TEMP: the template that every search starts from, and no other."""


class DatasetTemplates(GivenTemplates):
    """The paper's DS-TEMP: the data set's own templates, ensembled as CLIP's authors did."""

"""What a session needs of a search: its moves as generators of events, and what it works with.

    for event in search.step(state):
        state = state.apply(event)

Every yield is a safe point: the caller may wait there, or close the generator and drop the move.
What belongs together is one yield, a tuple of events (``engine.run.emitting``). A caller that
folds further events of its own between two yields (a person's edits) sends the state back:
``event = generator.send(state)``; otherwise the search folds its own events.

A search holds models and caches, and no state of a run: what it decides depends on the state it is
given, so that a move that is begun again does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.config import RunConfig
from engine.llm.interface import LanguageModel
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.emitting import Events
from engine.run.state import RunState
from engine.run.stopwatch import Stopwatch
from engine.vlm.interface import Fitness, Score

if TYPE_CHECKING:
    from engine.search.meta_prompt import MetaPrompt


class Search(Protocol):
    """One run's moves. The facts that they yield are the run."""

    @property
    def config(self) -> RunConfig:
        """As the run began, without a person's edits."""
        ...

    @property
    def llm(self) -> LanguageModel: ...

    @property
    def fitness(self) -> Fitness: ...

    def models_loaded(self, seconds: float) -> ev.ModelsLoaded:
        """The fact that models and data are ready, after ``seconds`` of loading."""
        ...

    def begin(self, state: RunState) -> Events:
        """Step 0: the seed template, scored on the training split and measured on the test split.

        It is done once the state has a test measurement of ``seed``.
        """
        ...

    def catch_up(self, state: RunState) -> Events:
        """The test measurement that is due since the last step, where a fork asks for one anew."""
        ...

    def step(self, state: RunState) -> Events:
        """One step, from its ``StepStarted`` to its ``StepFinished``.

        ``state`` has a scored seed template, and no step under way but one to be begun again.
        """
        ...

    def finish(self, state: RunState) -> Events:
        """The measurements at the end of the run.

        The run is not finished at its end if every template is banned, or something was edited
        meanwhile: then it is to be done again.
        """
        ...

    def score_injected(self, state: RunState, injected: ev.TemplateInjected) -> Events:
        """A person's template, in the middle of a step or between two."""
        ...

    def measure_asked(self, state: RunState, asked: ev.TestAsked) -> Events:
        """The test accuracy of a template that a person wants to see, in a pause or between two
        steps. Nothing that the search does depends on it.
        """
        ...

    def messages(self, state: RunState) -> tuple[Message, ...]:
        """What the LLM is asked in the step under way, or what it would be in the next one."""
        ...


class SearchClass(Protocol):
    """What a registered search is loaded as: made of models, and what it says without any."""

    def __call__(
        self,
        config: RunConfig,
        llm: LanguageModel,
        fitness: Fitness,
        meta_prompt: MetaPrompt,
        scores: dict[str, Score],
        clock: Stopwatch,
    ) -> Search:
        """
        Args:
            config: of the run, as it began.
            llm: that is asked.
            fitness: that scores templates.
            meta_prompt: what the LLM is asked with.
            scores: train scores that are known already, by template text: every distinct template
                is scored once per run, also across a resume. The search adds to them.
            clock: where its time goes: the lap of a step begins with the end of the one before.

        Raises:
            ModelError: if the search can't be done with these models.
        """
        ...

    def question(
        self, meta_prompt: MetaPrompt, state: RunState, step: int, attempt: int = 1
    ) -> tuple[Message, ...]:
        """The messages that the LLM is asked with in ``step``, known from the state alone.

        Raises:
            ConfigError: if the meta-prompt template can't be rendered.
        """
        ...

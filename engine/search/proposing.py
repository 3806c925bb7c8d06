"""The step of a search that asks an LLM for templates: compose, propose, read, score, rank.

What differs from search to search is which templates are its in-context examples, and whether the
LLM is steered while it writes: two methods, ``examples`` and ``steer``.

Randomness is derived, never carried: reply i of an attempt is sampled with a generator seeded
from (run seed, step, attempt, i). A step that is begun again gives the same replies.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from engine.common.errors import ModelError
from engine.common.versions import versions
from engine.config import RunConfig
from engine.llm.interface import (
    LanguageModel,
    News,
    Remark,
    Reply,
    SteeringShift,
    TokenColumn,
    Waiting,
)
from engine.llm.refusals import prefix_refused
from engine.models import threads
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.contract import facts_of_fitness, facts_of_llm
from engine.run.emitting import Events, Steps, emit, relay
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.run.step_facts import (
    Tally,
    anchors_moved,
    scored_again,
    step_finished,
    template_scored,
)
from engine.run.stopwatch import Stopwatch
from engine.search.bill import Bill
from engine.search.confused import Confused
from engine.search.confusions import confused_by
from engine.search.last_race import last_race
from engine.search.measuring import TestScorer
from engine.search.meta_prompt import MetaPrompt, can_ask_again, compose_for
from engine.search.reading import read_replies
from engine.search.scoring import TrainScorer, is_chosen, rival
from engine.steering.direction import Steering
from engine.vlm.families import seed_template
from engine.vlm.interface import Fitness, Score


def derive_seed(run_seed: int, step: int, attempt: int, candidate: int) -> int:
    """The 63-bit seed of one reply, the same on every machine and Python version."""
    key = f"{run_seed}/{step}/{attempt}/{candidate}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) >> 1


Examples = tuple[Sequence[ScoredTemplate], Sequence[ScoredTemplate]]
"""In-context examples: the best and the worst, both from low to high accuracy."""


@dataclass
class ProposingSearch(abc.ABC):
    """An ``engine.search.strategy.Search`` whose templates an LLM proposes."""

    config: RunConfig
    llm: LanguageModel
    fitness: Fitness
    meta_prompt: MetaPrompt
    scores: dict[str, Score] = field(default_factory=dict)
    clock: Stopwatch = field(default_factory=Stopwatch)

    def __post_init__(self) -> None:
        self._bill = Bill(self.config.llm, self.llm)
        if self.config.proposal.reply_prefix and self.llm.thinks_first:
            raise ModelError(prefix_refused(self.llm.name))

    def models_loaded(self, seconds: float) -> ev.ModelsLoaded:
        """The fact that both models and the data are ready, after ``seconds`` of loading."""
        return ev.ModelsLoaded(
            **facts_of_llm(self.llm),
            **facts_of_fitness(self.fitness),
            seconds=seconds,
            versions=versions(),
            cache_entries=self.fitness.cache_entries,
            threads=threads.describe(),
        )

    # -- what differs from search to search ------------------------------------------------

    @staticmethod
    @abc.abstractmethod
    def examples(state: RunState, step: int) -> Examples:
        """The in-context examples of a step: scored in earlier steps, and not banned."""

    def steer(self, state: RunState, step: int) -> Steps[tuple[RunState, Steering | None]]:
        """How the LLM is steered in a step, with the fact that says so: not at all."""
        return state, None
        yield

    def score_given(self, state: RunState) -> Events:
        """Templates that step 0 scores beside the seed template: none."""
        return state
        yield

    # -- what a session runs ---------------------------------------------------------------

    def begin(self, state: RunState) -> Events:
        """Step 0: the seed template on the training split, then on the test split."""
        seed = seed_template(self.config)
        state = yield from emit(state, ev.Progress(phase="seed template"))
        check = self.fitness.check(seed)
        if check.note is not None:
            warning = ev.Warned(message=f"seed template: {check.sentence}")
            state = yield from emit(state, warning)
        state, scores = yield from self._train.on_all(state, [seed])
        event = template_scored(seed, scores[seed], "seed", step=0, attempt=1, candidate=0)
        state = yield from emit(state, event)
        state = yield from self.score_given(state)
        state, measured = yield from self._test.measured(state, 0, "seed")
        return (yield from emit(state, measured.event))

    def catch_up(self, state: RunState) -> Events:
        """The test measurement that is due since the last step, where a fork asks for one anew."""
        step = state.steps_done
        known = any(t.step == step and t.subject == "ensemble" for t in state.tests)
        if not known and self._is_due(step) and state.allowed:
            state, measured = yield from self._test.measured(state, step, "ensemble")
            state = yield from emit(state, measured.event)
        return state

    def step(self, state: RunState) -> Events:
        """One step: compose, propose, parse, score, rank, move the anchors.

        ``state`` must have a scored seed template and no step under way.
        """
        number = state.steps_done + 1
        tally = Tally()
        state = yield from emit(state, ev.StepStarted(step=number))
        state = yield from self._complete(state, number)
        with self.clock.during("propose"):
            state, attempts = yield from self._ask(state, number, tally)
        state = yield from self._bill.settled(state, number)
        measured: tuple[ev.TestMeasured, ...] = ()
        if self._is_due(number) and state.allowed:
            state, found = yield from self._test.measured(state, number, "ensemble")
            measured = (found.event,)
        # The end of a step is one append, made of what is there now: no safe point is in it.
        moved = anchors_moved(state, number)
        finished = step_finished(state, number, attempts, tally, self.clock.lap())
        return (yield from emit(state, *moved, finished, *measured))

    def _ask(self, state: RunState, number: int, tally: Tally) -> Steps[tuple[RunState, int]]:
        """Ask for templates until there are enough new ones; returns the attempts it took."""
        proposal = configuration(state).proposal
        for attempt in range(1, proposal.attempts + 1):
            state = yield from self._compose(state, number, attempt)
            with self.clock.during("steer"):
                state, steering = yield from self.steer(state, number)
            state, replies = yield from self._propose(state, number, attempt, steering)
            state = yield from self._read(state, number, attempt, replies, tally)
            if tally.new >= proposal.min_new:
                break
            again = attempt < proposal.attempts and can_ask_again(state)
            event = ev.StepRetried(
                step=number,
                attempt=attempt,
                new=tally.new,
                needed=proposal.min_new,
                attempts=proposal.attempts,
                again=again,
            )
            state = yield from emit(state, event)
            if not again:
                break
        return state, attempt

    def finish(self, state: RunState) -> Events:
        """The best template and the final ensemble on the test split (docs/glov.md, 5).

        A step like others: edits take effect at its begin. The run is not finished at its end if
        every template is banned, or something was edited meanwhile: then it is to be done again.
        """
        state = yield from emit(state, ev.FinishStarted(step=state.steps_done))
        if not state.allowed:
            return state
        state, raced = yield from last_race(state, self._train)
        step = state.steps_done
        state, best = yield from self._test.measured(state, step, "best", raced)
        state, ensemble = yield from self._test.measured(state, step, "ensemble", raced)
        state = yield from self._bill.settled(state, step)
        found = (best, ensemble)
        if state.pending or any(self._test.is_outdated(one, state, raced) for one in found):
            return state
        # One append: a last race that is begun again has the same templates before it.
        finished = ev.RunFinished(step=step)
        return (yield from emit(state, *raced, best.event, ensemble.event, finished))

    def score_injected(self, state: RunState, injected: ev.TemplateInjected) -> Events:
        """A person's template; a new best moves the anchors, at once if it came between two steps.

        One that came within a step leaves them to the end of that step, which may begin again.
        """
        text = injected.template
        state, scores = yield from self._train.on_all(state, [text])
        event = template_scored(text, scores[text], "human", injected.step, attempt=1, candidate=0)
        moved: tuple[ev.AnchorsMoved, ...] = ()
        if state.step_begin is None and injected.step <= state.steps_done:
            moved = anchors_moved(state.apply(event), state.step)
        return (yield from emit(state, event, *moved))

    def measure_asked(self, state: RunState, asked: ev.TestAsked) -> Events:
        """As ``engine.search.strategy.Search``."""
        return self._test.asked(state, asked)

    def messages(self, state: RunState) -> tuple[Message, ...]:
        """What the LLM is asked in the step under way, or what it would be in the next one."""
        if state.step_begin is not None and state.prompt is not None:
            return state.prompt.messages
        return self.question(self.meta_prompt, state, state.next_step)

    @classmethod
    def question(
        cls,
        meta_prompt: MetaPrompt,
        state: RunState,
        step: int,
        attempt: int = 1,
        confused: Sequence[Confused] = (),
    ) -> tuple[Message, ...]:
        """As ``engine.search.strategy.SearchClass``; what the best template of the examples
        ``confused`` is counted, and not known from the state.
        """
        best, worst = cls.examples(state, step)
        return compose_for(meta_prompt, state, step, best, worst, attempt, confused)

    @classmethod
    def confusing(cls, state: RunState, step: int) -> ScoredTemplate | None:
        """The template whose confusions the LLM is told in ``step``; None where it is told none."""
        best, _ = cls.examples(state, step)
        is_told = configuration(state).proposal.confusions and state.next_messages is None
        return best[-1] if best and is_told else None

    # -- the parts of a step ---------------------------------------------------------------

    def _compose(self, state: RunState, step: int, attempt: int) -> Events:
        state = yield from emit(state, ev.Progress(phase="meta-prompt"))
        best, worst = self.examples(state, step)
        confused: tuple[Confused, ...] = ()
        template = self.confusing(state, step)
        if template is not None:
            most = configuration(state).proposal.confusions
            state, confused = yield from confused_by(state, template, most, self._train)
        messages = self.question(self.meta_prompt, state, step, attempt, confused)
        event = ev.MetaPromptComposed(
            step=step,
            attempt=attempt,
            messages=messages,
            best=tuple(t.key for t in best),
            worst=tuple(t.key for t in worst),
        )
        return (yield from emit(state, event))

    def _propose(
        self, state: RunState, step: int, attempt: int, steering: Steering | None
    ) -> Steps[tuple[RunState, list[Reply]]]:
        assert state.prompt is not None
        messages = state.prompt.messages
        sampling = configuration(state).sampling
        n = configuration(state).proposal.candidates
        seeds = [derive_seed(self.config.seed, step, attempt, i) for i in range(n)]
        self._bill.check(state)
        total = self.llm.most_tokens(sampling)
        state = yield from emit(state, ev.Progress(phase="proposing", total=total))
        columns = self.llm.propose(messages, sampling, seeds, steering)
        done = tokens = 0
        begun = self.clock.so_far("propose")

        def progress(waits: str = "") -> ev.Progress:
            return ev.Progress(
                phase="proposing",
                detail=waits,
                done=min(done, total),
                total=total,
                tokens=tokens,
                seconds=max(0.0, self.clock.so_far("propose") - begun),
            )

        def tell(news: News) -> tuple[ev.Event, ...]:
            nonlocal done, tokens
            is_waiting = isinstance(news, Waiting) and news.reason
            self.clock.turn("wait" if is_waiting else "propose")
            match news:
                case SteeringShift():
                    return (ev.SteeringMeasured(step=step, attempt=attempt, **asdict(news)),)
                case TokenColumn():
                    done = done + 1 if news.reached is None else news.reached
                    texts, thoughts = news.texts, news.thoughts
                    tokens += sum(map(bool, (*texts, *thoughts)))
                    streamed = ev.TokensStreamed(
                        step=step, attempt=attempt, texts=texts, thoughts=thoughts
                    )
                    return streamed, progress()
                case Remark():
                    return (ev.Warned(message=news.text),)
            return (progress(news.reason),)

        state, replies = yield from relay(state, columns, tell)
        state = yield from self._bill.settled(state, step)
        return state, replies

    def _read(
        self, state: RunState, step: int, attempt: int, replies: Iterable[Reply], tally: Tally
    ) -> Events:
        """Read the replies, score the new templates."""
        reading = read_replies(state, step, attempt, replies, tally, self.fitness)
        state, fresh = yield from reading
        if not fresh:
            return state
        if self.config.search.racing:
            state, scores = yield from self._train.race(state, [*fresh], rival(state, step))
        else:
            state, scores = yield from self._train.on_all(state, [*fresh])
        for text, candidate in fresh.items():
            scored = template_scored(text, scores[text], "llm", step, attempt, candidate)
            state = yield from emit(state, scored)
        return state

    # -- scoring ---------------------------------------------------------------------------

    @property
    def _train(self) -> TrainScorer:
        return TrainScorer(self.config, self.fitness, self.scores, self.clock)

    @property
    def _test(self) -> TestScorer:
        return TestScorer(self.config, self.fitness, self.clock)

    def _complete(self, state: RunState, step: int) -> Events:
        """Score on all images what a person pinned or chose and a race had dropped."""
        if not state.has_partial:
            return state
        chosen = [t for t in state.templates if state.is_partial(t) and is_chosen(t, state)]
        if not chosen:
            return state
        state, scores = yield from self._train.on_all(state, [t.text for t in chosen])
        events = tuple(scored_again(t, scores[t.text], step) for t in chosen)
        return (yield from emit(state, *events))

    def _is_due(self, step: int) -> bool:
        """Whether the test ensemble is measured at the end of this step; the last one's is not."""
        every = self.config.evaluation.every
        return every > 0 and 0 < step < self.config.steps and step % every == 0


def configuration(state: RunState) -> RunConfig:
    """The configuration as a person's edits left it."""
    assert state.config is not None
    return state.config

"""alpha = auto: what is chosen, and what a run knows of each alpha."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.kept import Kept
from engine.config import RunConfig
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.alpha_trials import (
    TrialSetting,
    choose_alpha,
    pooled_spread,
    standard_error,
    with_rewards,
)
from engine.run.commands import MakeEdit, Stop
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from tests.support.patience import CEILING_SECONDS
from tests.support.steps import of, run
from tests.support.watching import Watch, demo, facts, finish, is_kind, is_token

SETTING = TrialSetting("last-token", "no-bos", (3,), "absolute")
ALPHAS = (0.25, 0.5, 0.75, 1.0)

alphas = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]), min_size=1, unique=True)
trials = st.lists(
    st.builds(
        ev.AlphaTrial,
        alpha=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]),
        replies=st.integers(0, 500),
        reward=st.floats(-1, 1),
        spread=st.floats(0, 1),
    ),
    unique_by=lambda trial: trial.alpha,
)
seeds = st.integers(0, 2**63 - 1)


# -- the choice --------------------------------------------------------------------------------


@given(alphas, trials, seeds)
def test_the_choice_is_one_of_the_alphas_and_always_the_same(listed, known, seed) -> None:
    chosen = choose_alpha(listed, known, seed)
    assert chosen in listed
    assert choose_alpha(listed, known, seed) == chosen
    assert choose_alpha(listed, known[::-1], seed) == chosen  # the order of trials is no matter


@given(alphas, trials, seeds)
def test_alphas_without_a_reply_come_first_in_their_order(listed, known, seed) -> None:
    tried = {trial.alpha for trial in known if trial.replies}
    untried = [alpha for alpha in listed if alpha not in tried]
    if untried:
        assert choose_alpha(listed, known, seed) == untried[0]


def simulate(means: dict[float, float], steps: int, seed: int, replies: int = 10) -> list[float]:
    """What is chosen where an alpha's replies have this mean reward and a spread of 0.15."""
    world = random.Random(f"world {seed}")
    known: tuple[ev.AlphaTrial, ...] = ()
    chosen = []
    for step in range(steps):
        alpha = choose_alpha(tuple(means), known, seed * 1000 + step)
        chosen.append(alpha)
        known = with_rewards(
            known, alpha, [world.gauss(means[alpha], 0.15) for _ in range(replies)]
        )
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_a_clearly_better_alpha_is_preferred(seed: int) -> None:
    means = {0.25: -0.30, 0.5: -0.10, 0.75: -0.35, 1.0: -0.40}
    chosen = simulate(means, 60, seed)
    assert chosen[:4] == list(means)
    assert chosen[10:].count(0.5) >= 0.85 * 50


def test_alphas_of_equal_worth_are_all_tried_again() -> None:
    chosen = [
        alpha for seed in range(5) for alpha in simulate(dict.fromkeys(ALPHAS, -0.2), 40, seed)
    ]
    assert all(chosen.count(alpha) > 20 for alpha in ALPHAS)


def test_one_alpha_with_few_replies_that_are_equal_is_not_certain() -> None:
    known = (
        ev.AlphaTrial(alpha=0.5, replies=1, reward=0.05, spread=0.0),
        ev.AlphaTrial(alpha=1.0, replies=40, reward=0.0, spread=0.3),
    )
    spread = pooled_spread(known)
    assert standard_error(known[0], spread) > 0.2 > 0.05 > standard_error(known[1], spread)
    chosen = [choose_alpha((0.5, 1.0), known, seed) for seed in range(200)]
    assert 50 < chosen.count(1.0) < 150


# -- the record --------------------------------------------------------------------------------


rewards = st.lists(st.floats(-1, 1), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(ALPHAS), rewards), max_size=12))
def test_the_record_is_that_of_all_rewards_in_one_go(steps) -> None:
    known: tuple[ev.AlphaTrial, ...] = ()
    every: dict[float, list[float]] = {}
    for alpha, values in steps:
        known = with_rewards(known, alpha, values)
        if values:
            every.setdefault(alpha, []).extend(values)
    assert [trial.alpha for trial in known] == list(every)
    for trial in known:
        values = every[trial.alpha]
        assert trial.replies == len(values)
        assert trial.reward == pytest.approx(statistics.fmean(values), abs=1e-9)
        assert trial.spread == pytest.approx(statistics.pstdev(values), abs=1e-6)


# -- the fold ----------------------------------------------------------------------------------

CONFIG = RunConfig.model_validate(
    {"data": {"path": "/images"}, "steering": {"alpha": "auto", "layers": 3}}
)
TEXTS = ("a <category>", "b <category>", "c <category>", "d <category>")


def scored(text: str, hits: int, step: int, origin: ev.Origin = "llm") -> ev.TemplateScored:
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=0,
        template=text,
        origin=origin,
        hits=hits,
        n=10,
        margin=-1.0,
        class_hits=(),
    )


START = (
    ev.RunStarted(run="r", config=CONFIG.model_dump(mode="json"), versions={}),
    scored("seed <category>", 4, 0, "seed"),
    scored("best <category>", 6, 0),
)


def prepared(step: int, alpha: float, setting: TrialSetting = SETTING) -> ev.SteeringPrepared:
    return ev.SteeringPrepared(
        step=step,
        positive=normalise("best <category>"),
        negative=normalise("seed <category>"),
        mode=setting.mode,
        pool=setting.pool,
        layers=setting.layers,
        alpha_unit=setting.alpha_unit,
        alpha=alpha,
        norms=(1.0,) * 4,
        ratios=(0.1,) * 4,
    )


@dataclass
class Step:
    """What happens in one step: replies (a text or None) of each attempt, and how often it begins.

    ``cut`` counts the events after which the first try is cut off; None: it is not.
    """

    alpha: float | None
    replies: list[list[str | None]]
    hits: dict[str, int]
    human: bool
    cut: int | None


steps = st.lists(
    st.builds(
        Step,
        alpha=st.one_of(st.none(), st.sampled_from(ALPHAS)),
        replies=st.lists(
            st.lists(st.one_of(st.none(), st.sampled_from(TEXTS)), min_size=1, max_size=4),
            min_size=1,
            max_size=3,
        ),
        hits=st.fixed_dictionaries({text: st.integers(0, 10) for text in TEXTS}),
        human=st.booleans(),
        cut=st.one_of(st.none(), st.integers(0, 12)),
    ),
    max_size=5,
)


def facts_of(plan: list[Step]) -> tuple[list[ev.Event], list[ev.Event]]:
    """The facts of these steps: with what was cut off, and without."""
    whole: list[ev.Event] = []
    clean: list[ev.Event] = []
    known: set[str] = set()
    for number, step in enumerate(plan, 1):
        events: list[ev.Event] = [ev.StepStarted(step=number)]
        found = set(known)
        for attempt, replies in enumerate(step.replies, 1):
            if step.alpha is not None:
                events.append(prepared(number, step.alpha))
            new = []
            for candidate, text in enumerate(replies):
                repeated = text in found or text in new
                outcome: ev.Outcome = "duplicate" if repeated else "new"
                events.append(
                    ev.CandidateProposed(
                        step=number,
                        attempt=attempt,
                        candidate=candidate,
                        reply="...",
                        tokens=3,
                        finish="stop",
                        outcome="rejected" if text is None else outcome,
                        template=text,
                    )
                )
                if text is not None and not repeated:
                    new.append(text)
            events += [scored(text, step.hits[text], number) for text in new]
            found |= set(new)
            if attempt < len(step.replies):
                events.append(
                    ev.StepRetried(step=number, attempt=attempt, new=0, needed=1, attempts=3)
                )
        human = [scored(f"human {number} <category>", 10, number, "human")] if step.human else []
        begin, rest = events[:1], [*human, *events[1:]]
        if step.cut is not None:
            whole += [*begin, *rest[: step.cut], ev.RunReopened(versions={})]
            rest = events[1:] if step.human and step.cut else rest  # a person's is scored once
        end = ev.StepFinished(
            step=number,
            attempts=len(step.replies),
            new=0,
            duplicates=0,
            rejected=0,
            tokens=0,
            step_best=None,
            step_mean=None,
            best=0.6,
            seconds=0.1,
        )
        whole += [*begin, *rest, end]
        clean += [*begin, *human, *events[1:], end]
        known = found
    return whole, clean


def recomputed(events: Iterable[ev.Event]) -> dict[float, list[float]]:
    """Rewards by alpha from the whole list, of steps that were not cut off."""
    events = list(events)
    accuracy = {e.template: e.hits / e.n for e in events if isinstance(e, ev.TemplateScored)}
    rewards: dict[float, list[float]] = {}
    alpha: float | None = None
    for event in events:
        match event:
            case ev.StepStarted():
                alpha = None
            case ev.SteeringPrepared():
                alpha = event.alpha
            case ev.CandidateProposed() if alpha is not None:
                found = accuracy[event.template] if event.template else 0.0
                rewards.setdefault(alpha, []).append(found - 0.6)
    return rewards


@given(steps)
def test_the_fold_has_the_rewards_of_the_whole_list_and_forgets_what_was_cut_off(plan) -> None:
    whole, clean = facts_of(plan)
    state = RunState().apply_all([*START, *whole])
    undisturbed = RunState().apply_all([*START, *clean])
    assert state.trials == undisturbed.trials
    rewards = recomputed([*START, *clean])
    known = state.trials.get(SETTING, ())
    assert {t.alpha: t.replies for t in known} == {a: len(r) for a, r in rewards.items()}
    for trial in known:
        assert trial.reward == pytest.approx(math.fsum(rewards[trial.alpha]) / trial.replies)


def test_trials_of_other_settings_are_apart() -> None:
    reply = Step(0.5, [["a <category>"]], dict.fromkeys(TEXTS, 8), False, None)
    events, _ = facts_of([reply, reply])
    relative = SETTING._replace(alpha_unit="relative")
    events = [
        prepared(2, 0.5, relative) if isinstance(e, ev.SteeringPrepared) and e.step == 2 else e
        for e in events
    ]
    state = RunState().apply_all([*START, *events])
    assert set(state.trials) == {SETTING, relative}
    assert [t.replies for known in state.trials.values() for t in known] == [1, 1]
    assert state.trials[SETTING][0].reward == pytest.approx(0.2)


# -- the run -----------------------------------------------------------------------------------


def test_all_attempts_of_a_step_share_its_alpha(demo_models) -> None:
    optimizer = demo_models(
        "steering.alpha=auto",
        "proposal.candidates=3",
        "proposal.min_new=2",
        "proposal.attempts=2",
        "sampling.temperature=0",  # equal replies: never two new ones
    )
    state, events = run(optimizer, 4)
    steered = of(events, ev.SteeringPrepared)
    by_step: dict[int, list[ev.SteeringPrepared]] = {}
    for event in steered:
        by_step.setdefault(event.step, []).append(event)
    assert len(by_step) > 1
    for same in by_step.values():
        assert len(same) == 2
        assert len({(e.alpha, e.trials) for e in same}) == 1
    assert [same[0].alpha for same in by_step.values()] == list(ALPHAS)[: len(by_step)]
    replies = sum(t.replies for known in state.trials.values() for t in known)
    assert replies == sum(c.step in by_step for c in of(events, ev.CandidateProposed))


AUTO = ("steps=7", "steering.alpha=auto", "steering.alphas=[0.5, 1]", "proposal.candidates=5")


def test_a_run_that_is_stopped_and_resumed_chooses_the_same(tmp_path: Path, kept: Kept) -> None:
    whole = LocalSession.create(demo(*AUTO), tmp_path / "whole", kept=kept)
    whole.start()
    expected = finish(whole)
    steered = [e for e in read_journal(tmp_path / "whole").events if e.kind == "steering-prepared"]
    assert {e.alpha for e in steered} == {0.5, 1.0}
    assert steered[-1].trials == RunState().apply_all(
        e for e in read_journal(tmp_path / "whole").events if getattr(e, "step", 0) < 7
    ).trials.get(_setting(steered[-1]))

    folder = tmp_path / "cut"
    watch = Watch()
    watch.at(is_token(3, step=5), Stop())
    watch.session = LocalSession.create(demo(*AUTO), folder, watch, kept)
    watch.session.start()
    assert watch.session.wait(CEILING_SECONDS) and watch.session.state.status == "stopped"
    again = Watch()
    again.at(is_kind(ev.CandidateProposed, 6), Stop())
    again.session = LocalSession.resume(folder, again, kept)
    again.session.start()
    assert again.session.wait(CEILING_SECONDS) and again.session.state.status == "stopped"
    last = LocalSession.resume(folder, kept=kept)
    last.start()
    state = finish(last)
    assert state.trials == expected.trials
    assert state.ranking == expected.ranking
    begun_again = _last_tries(facts(folder))
    assert begun_again == _last_tries(facts(tmp_path / "whole"))


def test_a_person_takes_alpha_over_and_hands_it_back(tmp_path: Path, kept: Kept) -> None:
    watch = Watch()
    alpha = lambda value: MakeEdit(edit=SetOption(key="steering.alpha", value=value))  # noqa: E731
    listed = MakeEdit(edit=SetOption(key="steering.alphas", value=[0.25, 2]))
    watch.at(is_kind(ev.SteeringPrepared, 3), alpha(0.125))
    watch.at(is_kind(ev.SteeringPrepared, 4), alpha("auto"), listed)
    watch.session = LocalSession.create(demo(*AUTO), tmp_path / "run", watch, kept)
    watch.session.start()
    state = finish(watch.session)
    steered = {
        e.step: e for e in read_journal(tmp_path / "run").events if e.kind == "steering-prepared"
    }
    assert not steered[4].trials and steered[4].alpha == 0.125
    assert (steered[5].alpha, steered[6].alpha) == (0.25, 2.0)
    assert steered[7].alpha in (0.25, 2.0)
    earlier = {steered[n].alpha for n in steered if n <= 4}
    assert {t.alpha for t in steered[5].trials} == earlier >= {0.5, 0.125}
    assert {t.alpha for t in state.trials[_setting(steered[7])]} == earlier | {0.25, 2.0}


def _setting(event: ev.SteeringPrepared) -> TrialSetting:
    return TrialSetting(event.mode, event.pool, event.layers, event.alpha_unit)


def _last_tries(events: list[dict]) -> list[dict]:
    """The facts without those of steps that were begun again later."""
    begins = {e["step"]: i for i, e in enumerate(events) if e["kind"] == "step-started"}
    return [e for i, e in enumerate(events) if i >= begins.get(e.get("step"), 0)]


@settings(max_examples=20)
@given(st.sampled_from(["[0.5, 1]", "0.5"]))
def test_alphas_can_be_one_number(text: str) -> None:
    config = demo(f"steering.alphas={text}", "steering.alpha=auto")
    assert config.steering.alphas[0] == 0.5


@pytest.mark.parametrize("accuracy", [0.02, 0.2, 0.7])
def test_an_alpha_that_breaks_the_replies_is_soon_left_alone(accuracy: float) -> None:
    """A reply without a template has accuracy 0: its reward is what P+ has, less."""
    world = random.Random("world")
    known: tuple[ev.AlphaTrial, ...] = ()
    chosen = []
    for step in range(60):
        alpha = choose_alpha((0.5, 4.0), known, step)
        chosen.append(alpha)
        broken = 10 if alpha == 4 else 1
        good = [accuracy * world.uniform(-0.6, 0) for _ in range(10 - broken)]
        known = with_rewards(known, alpha, [*good, *[-accuracy] * broken], broken)
    assert {trial.alpha: trial.rejected / trial.replies for trial in known} == {0.5: 0.1, 4.0: 1.0}
    assert chosen[10:].count(4.0) <= 5

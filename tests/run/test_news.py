"""What a person is told of who is away: once each, in few words, and nothing that is known."""

from __future__ import annotations

import pytest

from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.news import LONGEST_TEXT, Watch
from engine.run.state import RunState
from tests.support.sessions import loaded, one_step


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def begun(*overrides: str) -> RunState:
    return RunState().apply_all(loaded(load_config("demo", ["steps=20", *overrides])))


def empty_step(step: int) -> list[ev.Event]:
    *events, finished = one_step(step, {"a <category>.": 1})
    assert isinstance(finished, ev.StepFinished)
    update = {"new": 0, "duplicates": 1, "step_best": None, "step_mean": None}
    return [events[0], finished.model_copy(update=update)]


def test_a_new_best_is_told_at_the_end_of_a_step_and_not_too_often() -> None:
    clock, state = Clock(), begun()
    watch = Watch(state, every=300, clock=clock)
    state = state.apply_all(one_step(1, {"a dim <category>.": 6}, "a dim <category>."))
    assert watch.look(state) is None, "of the first minutes nothing is told"
    clock.now += 301
    assert watch.look(state) is None, "not in the middle of a step"
    state = state.apply_all(one_step(2, {"a dark <category>.": 3}))
    news = watch.look(state)
    assert news is not None and news.event == "new-best"
    assert news.text == "step 2: 60.0% (+20.0) a dim <category>."
    assert (news.best_accuracy, news.seed_accuracy, news.step, news.steps) == (0.6, 0.4, 2, 20)
    state = state.apply_all(one_step(3, {"a red <category>.": 7}, "a red <category>."))
    clock.now += 299
    assert watch.look(state) is None
    state = state.apply_all(one_step(4, {"a blue <category>.": 8}, "a blue <category>."))
    clock.now += 2
    news = watch.look(state)
    assert news is not None and "80.0%" in news.text, "the last of those since then"
    clock.now += 1000
    state = state.apply_all(one_step(5, {"a wet <category>.": 8}))
    assert watch.look(state) is None, "as good as the best is no new best"


def test_a_seed_that_stays_best_is_no_news() -> None:
    clock = Clock()
    watch = Watch(RunState(), every=0, clock=clock)
    state = begun()
    assert watch.look(state) is None
    clock.now += 1000
    assert watch.look(state.apply_all(one_step(1, {"a dim <category>.": 2}))) is None


def test_what_was_there_when_a_run_is_taken_up_is_not_told_again() -> None:
    clock, state = Clock(), begun()
    state = state.apply_all(one_step(1, {"a dim <category>.": 9}, "a dim <category>."))
    state = state.apply(ev.RunFailed(message="no memory"))
    watch = Watch(state, every=0, clock=clock)
    assert watch.look(state) is None
    assert state.models is not None
    state = state.apply_all([ev.RunReopened(versions={}), state.models])
    assert watch.look(state) is None
    state = state.apply_all(one_step(2, {"a red <category>.": 3}))
    assert watch.look(state) is None
    state = state.apply(ev.RunFailed(message="no memory"))
    news = watch.look(state)
    assert news is not None and (news.event, news.text) == ("failed", "no memory"), "it failed anew"


def test_the_end_is_told_with_what_came_of_it() -> None:
    state = begun()
    watch = Watch(state)
    state = state.apply_all(one_step(1, {"a dim <category>.": 9}, "a dim <category>."))
    tested = ev.TestMeasured(
        step=1, subject="ensemble", templates=("a dim <category>.",), hits=71, n=100, seconds=0.1
    )
    state = state.apply_all([tested, ev.RunFinished(step=1)])
    news = watch.look(state)
    assert news is not None and news.title == "tested: finished"
    assert news.text == "1 step; best 90.0%; test: seed 45.0%, ensemble 71.0%"
    assert news.test_accuracy == 0.71
    assert watch.look(state) is None, "once"


def test_a_stall_is_told_once_and_a_persons_pause_is_not() -> None:
    state = begun("proposal.patience=2")
    watch = Watch(state)
    state = state.apply(ev.RunPaused(step=0))
    assert watch.look(state) is None
    state = state.apply(ev.RunResumed(step=0))
    assert watch.look(state) is None
    for step in (1, 2):
        state = state.apply_all(empty_step(step))
        assert watch.look(state) is None
    paused = state.apply(ev.RunPaused(step=2))
    news = watch.look(paused)
    assert news is not None and news.event == "stalled"
    assert news.text.startswith("paused: no new template in 2 steps in a row")
    on = paused.apply(ev.RunResumed(step=2))
    assert watch.look(on) is None
    assert watch.look(on.apply(ev.RunPaused(step=2))) is None, "it was told of this stall"
    again = Watch(paused)
    assert again.look(paused) is None and again.look(on) is None


def test_only_what_was_chosen_is_told() -> None:
    state = begun()
    watch = Watch(state, on=("finished",))
    assert watch.look(state.apply(ev.RunFailed(message="no memory"))) is None


@pytest.mark.parametrize("text", ["\x1b]52;c;AAAA\x07", "\x07\x9c\x1b\\", "a\nb\r\nc", "x" * 5000])
def test_texts_are_harmless_and_short(text: str) -> None:
    config = load_config("demo", ["steps=20"])
    started = ev.RunStarted(run=f"run {text}", config=config.model_dump(mode="json"), versions={})
    state = RunState().apply_all([started, *loaded(config)[1:]])
    watch = Watch(state)
    news = watch.look(state.apply(ev.RunFailed(message=f"failed: {text}")))
    assert news is not None
    for said in (news.title, news.text, news.run):
        assert said.isprintable() and len(said) <= LONGEST_TEXT


def test_a_run_that_does_nothing_for_long_is_told_once_until_it_does_something() -> None:
    clock, state = Clock(), begun()
    watch = Watch(state, clock=clock, stalled_after=900)
    state = state.apply_all(
        [ev.StepStarted(step=1), ev.Progress(phase="proposing", done=1, total=9)]
    )
    assert watch.look(state) is None
    clock.now += 899
    assert watch.look(state) is None
    measured = state.apply(ev.MachineMeasured())
    clock.now += 1
    news = watch.look(measured)
    assert news is not None and news.event == "stalled", "the gauges go on where the engine hangs"
    assert news.text == "step 1 (proposing): nothing for 15 minutes"
    clock.now += 5000
    assert watch.look(measured) is None, "once"
    state = measured.apply(ev.TokensStreamed(step=1, attempt=1, texts=(" a",)))
    assert watch.look(state) is None
    clock.now += 899
    assert watch.look(state) is None, "a token is something"
    clock.now += 1
    assert watch.look(state) is not None


@pytest.mark.parametrize(
    "then", [[ev.RunPaused(step=0)], [ev.RunStopped(step=0)], [ev.RunFailed(message="no memory")]]
)
def test_a_run_that_waits_or_has_ended_does_not_stall(then: list[ev.Event]) -> None:
    clock, state = Clock(), begun().apply_all(then)
    watch = Watch(state, clock=clock, stalled_after=900)
    clock.now += 100_000
    assert watch.look(state) is None


def test_no_silence_is_too_long_where_none_is_named() -> None:
    clock, state = Clock(), begun()
    watch = Watch(state, clock=clock, stalled_after=0)
    clock.now += 100_000
    assert watch.look(state) is None

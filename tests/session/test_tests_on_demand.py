"""Test accuracies that a person asks for: measured, journaled, and of no consequence to the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import UserError
from engine.common.kept import Kept
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import (
    CallOffTests,
    Command,
    MakeEdit,
    MeasureTest,
    Pause,
    Resume,
    StepOnce,
    Stop,
)
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from engine.storage.journal import fold_journal, read_journal, read_state
from engine.vlm.dual_encoder.fitness import DualEncoder
from tests.support.cut_journals import appends, cut, kinds
from tests.support.patience import wait_until
from tests.support.watching import demo, facts, finish

When = Callable[[ev.Event, RunState], bool]
OF_A_PERSON = ("test-asked", "test-dropped", "edited")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    session = LocalSession.create(demo(), folder, kept=kept)
    session.start()
    finish(session)
    return folder


class Person:
    """Sends commands once, from the engine's thread, where something first happens."""

    def __init__(self, *rules: tuple[When, Callable[[RunState], list[Command]]]) -> None:
        self.rules = list(rules)
        self.session: LocalSession | None = None

    def __call__(self, event: ev.Event, state: RunState) -> None:
        for rule in [rule for rule in self.rules if rule[0](event, state)]:
            self.rules.remove(rule)
            for command in rule[1](state):
                assert self.session is not None
                self.session.send(command)


def run(folder: Path, kept: Kept, *rules: Any, overrides: tuple[str, ...] = ()) -> LocalSession:
    person = Person(*rules)
    session = LocalSession.create(demo(*overrides), folder, person, kept)
    person.session = session
    session.start()
    return session


def token(step: int) -> When:
    return lambda event, _: isinstance(event, ev.TokensStreamed) and event.step == step


def scored(step: int) -> When:
    return lambda event, _: isinstance(event, ev.TemplateScored) and event.step == step


def step_done(step: int) -> When:
    return lambda event, _: isinstance(event, ev.StepFinished) and event.step == step


def while_measuring(event: ev.Event, state: RunState) -> bool:
    """While what was asked for is being measured."""
    is_testing = isinstance(event, ev.Progress) and event.phase == "testing"
    return is_testing and bool(state.tests_asked)


def paused(event: ev.Event, _: RunState) -> bool:
    return isinstance(event, ev.RunPaused)


def best(state: RunState) -> str:
    """A template that the run itself has not measured."""
    return next(t.key for t in state.ranking if t.origin == "llm")


def measure_best(state: RunState) -> list[Command]:
    return [MeasureTest(key=best(state), author="me", reason="to see")]


def of_the_search(folder: Path) -> list[dict]:
    """All facts but what a person asked for and was told."""
    return [
        fact
        for fact in facts(folder)
        if fact["kind"] not in OF_A_PERSON and fact.get("subject") != "asked"
    ]


def asked(state: RunState) -> list[ev.TestMeasured]:
    return [test for test in state.tests if test.subject == "asked"]


@pytest.mark.parametrize("when", [token(2), scored(2), step_done(1), step_done(2)])
def test_the_search_does_the_same_and_it_is_measured_between_two_steps(
    when: When, run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    state = finish(run(run_folder, kept, (when, measure_best)))
    assert of_the_search(run_folder) == facts(undisturbed)
    (test,) = asked(state)
    assert (test.author, test.reason) == ("me", "to see") and test.n == 960
    assert state.find(normalise(test.templates[0])) is not None
    kinds = [event.kind for event in read_journal(run_folder).events]
    at = kinds.index("test-measured", kinds.index("test-asked"))
    assert "step-finished" in kinds[at - 3 : at]
    assert kinds[at + 1] in ("step-started", "finish-started")
    assert not state.tests_asked
    known = [t for t in state.tests if t.subject == "best" and t.templates == test.templates]
    assert all((t.hits, t.n) == (test.hits, test.n) for t in known)


@pytest.mark.parametrize("every", [1, 2])
def test_the_best_every_few_steps_changes_nothing_either(
    every: int, run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    state = finish(run(run_folder, kept, overrides=(f"evaluation.best_every={every}",)))
    assert of_the_search(run_folder) == facts(undisturbed)
    steps = [test.step for test in asked(state)]
    assert steps and set(steps) <= set(range(every, 3, every))
    measured = [test.templates for test in asked(state)]
    assert len(measured) == len(set(measured))  # a best that stays is not measured again


def test_it_is_switched_on_and_off_live(run_folder: Path, undisturbed: Path, kept: Kept) -> None:
    def every(steps: int) -> Callable[[RunState], list[Command]]:
        edit = SetOption(key="evaluation.best_every", value=steps)
        return lambda _: [MakeEdit(edit=edit, author="me")]

    first, later = (token(1), every(1)), (token(2), every(0))
    state = finish(run(run_folder, kept, first, later))
    assert of_the_search(run_folder) == facts(undisturbed)
    assert [test.step for test in asked(state)] == [2]  # from step 2 on; off from step 3 on
    assert asked(state)[0].author == "me"


def test_every_few_steps_is_of_whom_set_what_holds(run_folder: Path, kept: Kept) -> None:
    """Not of whom set what holds from the next step on; and calling off says that it goes on."""

    def every(steps: int, author: str) -> Callable[[RunState], list[Command]]:
        edit = SetOption(key="evaluation.best_every", value=steps)
        return lambda _: [MakeEdit(edit=edit, author=author)]

    session = run(
        run_folder,
        kept,
        (token(1), every(1, "one")),
        (token(2), every(2, "another")),
        (token(3), lambda _: [CallOffTests()]),
    )
    state = finish(session)
    assert [(test.step, test.author) for test in asked(state)] == [(2, "one")]
    assert any("evaluation.best_every = 2: 0 stops that" in line.text for line in state.log)


def test_in_a_pause_within_a_step_it_is_measured_at_once(
    run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    session = run(run_folder, kept, (token(2), lambda _: [Pause()]), (paused, measure_best))
    wait_until(lambda: bool(asked(session.state)))
    assert session.state.status == "paused" and session.state.step_begin is not None
    assert session.state.progress is None  # nothing is under way any more
    session.send(Resume())
    finish(session)
    assert of_the_search(run_folder) == facts(undisturbed)


def test_what_moves_the_run_on_comes_first(run_folder: Path, undisturbed: Path, kept: Kept) -> None:
    session = run(
        run_folder,
        kept,
        (token(2), lambda _: [Pause()]),
        (paused, measure_best),
        (while_measuring, lambda _: [Resume()]),
    )
    state = finish(session)
    assert of_the_search(run_folder) == facts(undisturbed)
    kinds = [event.kind for event in read_journal(run_folder).events]
    resumed, measured = kinds.index("run-resumed"), kinds.index("test-measured", 5)
    assert kinds.index("test-asked") < resumed < measured  # it waited until the step was done
    assert len(asked(state)) == 1


@pytest.mark.parametrize("pauses", [False, True])
def test_it_is_called_off(pauses: bool, run_folder: Path, undisturbed: Path, kept: Kept) -> None:
    rules: list[Any] = [(while_measuring, lambda _: [CallOffTests(author="me")])]
    if pauses:
        rules += [(token(2), lambda _: [Pause()]), (paused, measure_best)]
    else:
        rules += [(token(2), measure_best)]
    session = run(run_folder, kept, *rules)
    if pauses:
        wait_until(lambda: any("test called off, by me" in line.text for line in session.state.log))
        session.send(Resume())
    state = finish(session)
    assert of_the_search(run_folder) == facts(undisturbed)
    assert not asked(state) and not state.tests_asked
    assert any("test called off, by me" in line.text for line in state.log)


@pytest.mark.parametrize("when", [token(2), while_measuring])
def test_a_run_that_is_stopped_measures_it_when_it_is_taken_up(
    when: When, run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    session = run(run_folder, kept, (token(2), measure_best), (when, lambda _: [Stop()]))
    assert session.wait(600) and session.state.status == "stopped"
    assert session.state.tests_asked and not asked(session.state)
    again = LocalSession.resume(run_folder, kept=kept)
    again.start()
    state = finish(again)
    assert len(asked(state)) == 1 and not state.tests_asked
    assert state.ranking == read_state(undisturbed).ranking


def test_what_was_measured_outlives_a_step_that_is_cut_off(
    run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    session = run(run_folder, kept, (token(2), lambda _: [Pause()]), (paused, measure_best))
    wait_until(lambda: bool(asked(session.state)))
    session.send(Stop())
    assert session.wait(600)
    again = LocalSession.resume(run_folder, kept=kept)
    again.start()
    state = finish(again)
    assert len(asked(state)) == 1
    assert state.ranking == read_state(undisturbed).ranking
    assert fold_journal(run_folder, read_journal(run_folder).events).tests == state.tests


def test_a_fork_has_what_was_measured_up_to_its_step(
    run_folder: Path, tmp_path: Path, kept: Kept
) -> None:
    finish(run(run_folder, kept, overrides=("evaluation.best_every=1",)))
    whole = read_state(run_folder)
    for step in (0, 1, 2):
        fork = tmp_path / f"fork-{step}"
        write_fork(run_folder, step, fork)
        expected = [test for test in asked(whole) if test.step <= step]
        assert [t.comparable() for t in asked(read_state(fork))] == [
            t.comparable() for t in expected
        ]


def test_what_can_not_be_is_refused_in_words(run_folder: Path, kept: Kept) -> None:
    def several(state: RunState) -> list[Command]:
        seed = state.seed
        assert seed is not None
        keys = ("nothing", seed.key, best(state), best(state))
        return [*(MeasureTest(key=key) for key in keys), CallOffTests(), CallOffTests()]

    state = finish(run(run_folder, kept, (token(2), several)))
    said = "\n".join(line.text for line in state.log if line.level == "warning")
    for sentence in (
        "test refused: no such template: nothing",
        "test refused: its test accuracy is known: ",
        "test refused: its test accuracy was asked for already",
        "no test to call off",
    ):
        assert said.count(sentence) == 1, said


def test_a_measurement_that_fails_is_told_and_the_run_goes_on(
    run_folder: Path, undisturbed: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = DualEncoder.score_ensemble

    def fails(self: DualEncoder, templates: Any, *, split: Any) -> Any:
        if failing and split == "test":
            raise UserError("images/1.png is gone")
        return score(self, templates, split=split)

    failing: list[int] = []
    monkeypatch.setattr(DualEncoder, "score_ensemble", fails)

    def ask(state: RunState) -> list[Command]:
        failing.append(1)
        return measure_best(state)

    def mend(event: ev.Event, _: RunState) -> bool:
        return isinstance(event, ev.TestDropped)

    session = run(run_folder, kept, (token(2), ask), (mend, lambda _: failing.clear() or []))
    state = finish(session)
    assert of_the_search(run_folder) == facts(undisturbed)
    assert any("can't be measured: images/1.png is gone" in line.text for line in state.log)
    assert not asked(state)


def test_one_step_and_then_the_test(run_folder: Path, undisturbed: Path, kept: Kept) -> None:
    """It is measured in the pause behind the step, as nothing holds it up there."""
    rules = [(token(2), lambda state: [*measure_best(state), StepOnce()])]
    session = run(run_folder, kept, *rules)
    wait_until(lambda: session.state.status == "paused" and bool(asked(session.state)))
    assert session.state.steps_done == 2
    session.send(Resume())
    finish(session)
    assert of_the_search(run_folder) == facts(undisturbed)


def test_killed_anywhere_around_it_nothing_is_lost_or_measured_twice(
    tmp_path: Path, undisturbed: Path, kept: Kept
) -> None:
    """In a pause within a step, between asking and measuring, and behind it; each is taken up."""

    def two(state: RunState) -> list[Command]:
        keys = [t.key for t in state.ranking if t.origin == "llm"][:2]
        return [MeasureTest(key=key, author="me", reason="to see") for key in keys]

    whole = tmp_path / "whole"
    session = run(whole, kept, (token(2), lambda _: [Pause()]), (paused, two))
    wait_until(lambda: len(asked(session.state)) == 2)
    session.send(Resume())
    measured = asked(finish(session))
    at = [n for n, append in enumerate(appends(whole)) if "test-asked" in kinds(append)]
    for count in range(at[0] + 1, at[-1] + 5):
        folder = cut(whole, count, tmp_path / f"cut-{count}")
        wanted = {test.template for test in of_kind(folder, ev.TestAsked)}
        again = LocalSession.resume(folder, kept=kept)
        again.start()
        state = finish(again)
        found = {test.templates[0]: (test.hits, test.author) for test in asked(state)}
        assert set(found) == wanted and len(asked(state)) == len(found)
        assert found.items() <= {(t.templates[0], (t.hits, t.author)) for t in measured}
        assert state.ranking == read_state(undisturbed).ranking
        own = [test.comparable() for test in state.tests if test.subject != "asked"]
        assert own == [test.comparable() for test in read_state(undisturbed).tests]


def of_kind(folder: Path, kind: type[ev.TestAsked]) -> list[ev.TestAsked]:
    return [event for event in read_journal(folder).events if isinstance(event, kind)]

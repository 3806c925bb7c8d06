"""The session drives a search that it knows nothing of: one that asks no LLM, defined here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.commands import InjectTemplate, Pause, Resume, RunExperiment, Stop
from engine.run.contract import facts_of_fitness, facts_of_llm
from engine.run.emitting import Events, emit, relay
from engine.run.experiment import ReadLens
from engine.run.state import RunState
from engine.run.step_facts import Tally, anchors_moved, step_finished, template_scored
from engine.run.stopwatch import Stopwatch
from engine.search.registry import SEARCHES, RegisteredSearch
from engine.search.strategy import Search
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from tests.support.small_runs import demo, drive, outcome

ASKED: tuple[Message, ...] = ({"role": "user", "content": "Nobody is asked."},)
WORDS = ("a blue <category>.", "a dark <category>.", "a <category> in a mirror.")


@dataclass
class Listed:
    """Scores one template of a list in each step."""

    config: object
    llm: object
    fitness: object
    meta_prompt: object
    scores: dict
    clock: Stopwatch

    def models_loaded(self, seconds: float) -> ev.ModelsLoaded:
        facts = {**facts_of_llm(self.llm), **facts_of_fitness(self.fitness)}
        return ev.ModelsLoaded(**facts, seconds=seconds)

    def _score(self, state: RunState, text: str, origin: ev.Origin, step: int) -> Events:
        if text not in self.scores:
            work = self.fitness.score([text], split="train")
            state, found = yield from relay(state, work, lambda _: (ev.Progress(phase="scoring"),))
            self.scores[text] = found[0]
        fact = template_scored(text, self.scores[text], origin, step, attempt=1, candidate=0)
        return (yield from emit(state, fact))

    def _measure(self, state: RunState, text: str, subject: ev.Subject) -> Events:
        work = self.fitness.score_ensemble([text], split="test")
        state, score = yield from relay(state, work, lambda _: (ev.Progress(phase="testing"),))
        fact = ev.TestMeasured(
            step=state.steps_done, subject=subject, templates=(text,), hits=score.hits,
            n=score.n, seconds=0.0,
        )  # fmt: skip
        return (yield from emit(state, fact))

    def begin(self, state: RunState) -> Events:
        seed = "a photo of a <category>."
        state = yield from self._score(state, seed, "seed", 0)
        return (yield from self._measure(state, seed, "seed"))

    def catch_up(self, state: RunState) -> Events:
        yield from ()
        return state

    def step(self, state: RunState) -> Events:
        number = state.steps_done + 1
        state = yield from emit(state, ev.StepStarted(step=number))
        state = yield from self._score(state, WORDS[number - 1], "llm", number)
        moved = anchors_moved(state, number)
        done = step_finished(state, number, 1, Tally(new=1), self.clock.lap())
        return (yield from emit(state, *moved, done))

    def finish(self, state: RunState) -> Events:
        state = yield from emit(state, ev.FinishStarted(step=state.steps_done))
        for subject in ("best", "ensemble"):
            state = yield from self._measure(state, state.allowed[0].text, subject)
        return (yield from emit(state, ev.RunFinished(step=state.steps_done)))

    def score_injected(self, state: RunState, injected: ev.TemplateInjected) -> Events:
        return (yield from self._score(state, injected.template, "human", injected.step))

    def messages(self, state: RunState) -> tuple[Message, ...]:
        return ASKED

    @staticmethod
    def question(meta_prompt, state, step, attempt=1) -> tuple[Message, ...]:
        return ASKED


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    row = RegisteredSearch("a list", lambda: Listed, ("steering", "proposal"))
    monkeypatch.setitem(SEARCHES, "random", row)
    yield


def config():
    return demo("search.kind=random", "evaluation.every=0")


def test_it_is_driven_to_its_end_stopped_and_resumed(tmp_path: Path, kept: Kept) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    state = drive(LocalSession.create(config(), whole, kept=kept))
    assert state.status == "finished" and [t.text for t in state.templates[1:]] == list(WORDS)
    assert all(step.seconds >= 0 for step in state.steps)

    def stop(event: ev.Event, _state: RunState) -> None:
        if isinstance(event, ev.StepStarted) and event.step == 2:
            session.send(Stop())

    session = LocalSession.create(config(), cut, stop, kept)
    assert drive(session).status == "stopped"
    drive(LocalSession.resume(cut, kept=kept))
    assert outcome(cut) == outcome(whole)


def test_a_person_injects_into_it_and_the_lab_works(run_folder: Path, kept: Kept) -> None:
    lens: list[ev.Event] = []

    def act(event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.StepFinished) and event.step == 2:
            session.send(InjectTemplate(text="a <category> under a lamp."))
            session.send(Pause())
            session.send(RunExperiment(experiment=ReadLens()))
        if isinstance(event, ev.ExperimentEnded):
            lens.append(event)
            session.send(Resume())

    session = LocalSession.create(config(), run_folder, act, kept)
    state = drive(session)
    assert state.status == "finished"
    assert [t.origin for t in state.templates].count("human") == 1
    (ended,) = lens
    found = state.experiment
    assert isinstance(ended, ev.ExperimentEnded) and found is not None
    assert (ended.problem is None) == (state.anchors is not None)
    kinds = {event.kind for event in read_journal(run_folder).events}
    assert "candidate-proposed" not in kinds and "meta-prompt-composed" not in kinds


def test_it_is_a_search(kept: Kept) -> None:
    made: Search = Listed(None, None, None, None, {}, float)  # type: ignore[assignment]
    assert made.messages(RunState()) == ASKED

"""Templates that are longer than the VLM reads: noted, or not scored, and said to a person."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from engine.common.kept import Kept
from engine.llm.interface import Reply, TokenColumn
from engine.prompts.template import RejectReason
from engine.run import events as ev
from engine.run.commands import InjectTemplate
from engine.run.emitting import one_by_one
from engine.run.experiment import ScanSettings, SteeringSetting
from engine.run.stalling import why_stalled
from engine.run.state import RunState
from engine.search.glov import GlovSearch
from engine.search.lab import Subject, run_experiment
from engine.session.local import LocalSession
from engine.steering.measures import TracedReply
from engine.vlm.dual_encoder.task import TASK
from glov_tui.commands.steer_report import grid_lines
from tests.support.findings import cells_of
from tests.support.generators import finished
from tests.support.small_runs import demo, drive

PLAIN = "a photo of a <category>."
TAIL = f"a photo of a <category> with the number {'7' * 80}."  # a token for each digit
OFF = f"a photo with the number {'7' * 80} and a <category>."
CUT = "the VLM reads 64 tokens of a text: cut for 16 of 16 classes"


class Says:
    """The real LLM, whose replies are these texts."""

    def __init__(self, inner: Any, *texts: str) -> None:
        self._inner = inner
        self._texts = texts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def propose(self, *_: Any, trace: bool = False) -> Generator[TokenColumn, None, list[Reply]]:
        yield TokenColumn(self._texts)
        traces = [
            TracedReply(text=t, tokens=(t,), kl=(0,), log_likelihoods=(0,)) for t in self._texts
        ]
        return [Reply(t.text, 9, "stop", trace=t if trace else None) for t in traces]


def run_step(search: GlovSearch) -> tuple[RunState, list[Any]]:
    state = RunState().apply_all(
        [
            ev.RunStarted(run="r", config=search.config.model_dump(mode="json"), versions={}),
            search.models_loaded(seconds=0.0),
        ]
    )
    facts = []
    for part in (search.begin, search.step):
        for event in one_by_one(part(state)):
            state = state.apply(event)
            if event.is_fact:
                facts.append(event)
    return state, facts


def test_what_is_cut_is_noted_and_what_loses_its_classes_is_not_scored(demo_models) -> None:
    search = demo_models("steps=1", "proposal.attempts=1")
    search.llm = Says(search.llm, "a drawing of a <category>.", f'"{TAIL}"', OFF)
    state, facts = run_step(search)
    plain, tail, off = (e for e in facts if isinstance(e, ev.CandidateProposed))
    assert (plain.outcome, plain.note) == ("new", None)
    assert (tail.outcome, tail.template, tail.reason) == ("new", TAIL, None)
    assert tail.note.endswith(CUT) and "quotes" in tail.note
    assert (off.outcome, off.template) == ("rejected", None)
    assert off.reason == RejectReason.CUT_OFF
    assert off.note == f"{CUT}, 16 of them the same as another"
    assert {t.text for t in state.templates} == {PLAIN, "a drawing of a <category>.", TAIL}
    (finished,) = (e for e in facts if isinstance(e, ev.StepFinished))
    assert (finished.new, finished.rejected) == (2, 1)


def test_a_run_that_gets_nothing_but_long_templates_says_what_to_do(demo_models) -> None:
    search = demo_models("steps=2", "proposal.attempts=1", "proposal.patience=1")
    search.llm = Says(search.llm, OFF, OFF)
    reason = why_stalled(run_step(search)[0])
    assert reason is not None
    assert "most often: cut-off" in reason
    assert "ask for shorter templates" in reason


@pytest.mark.parametrize(("seed", "said"), [(PLAIN, None), (TAIL, CUT), (OFF, "ends before <cat")])
def test_the_seed_template_is_scored_and_said_to_be_cut(demo_models, seed, said) -> None:
    state, _ = run_step(demo_models("steps=1", f"seed_template={seed}"))
    assert state.seed is not None and state.seed.text == seed
    warnings = [line.text for line in state.log if line.text.startswith("seed template: ")][:1]
    assert [said in line for line in warnings if said] == ([True] if said else [])
    assert any(line.level == "warning" for line in state.log) == bool(said)


def test_a_person_is_told(run_folder: Path, kept: Kept) -> None:
    session = LocalSession.create(demo("steps=1"), run_folder, kept=kept)
    for text in (TAIL, OFF):
        session.send(InjectTemplate(text=text))
    state = drive(session)
    assert state.status == "finished"
    said = [line.text for line in state.log if line.level == "warning"]
    assert f"injected template: {CUT}" in said
    (refused,) = (line for line in said if line.startswith("template refused: "))
    assert CUT in refused and OFF in refused
    assert {t.text for t in state.templates if t.origin == "human"} == {TAIL}


@pytest.mark.parametrize(("texts", "n"), [((PLAIN, OFF), 2), ((OFF,), 1)])
def test_the_labs_grid_scores_what_a_run_would_score_and_says_so(demo_models, texts, n) -> None:
    search = demo_models("steps=1")
    subject = Subject(
        Says(search.llm, *texts),
        [{"role": "user", "content": "One template, please."}],
        search.config.sampling,
        "a drawing of a <category>.",
        PLAIN,
        task=TASK,
        fitness=search.fitness,
    )
    setting = SteeringSetting(layers=(3,), alpha=0.1)
    scan = ScanSettings(setting=setting, layers=(3,), alphas=(0.1,), replies=n, fitness=True)
    (cell,) = cells_of(run_experiment(scan, subject))
    plain = finished(search.fitness.score([PLAIN], split="train"))[0].accuracy
    assert cell.accuracy == (plain if PLAIN in texts else None)
    assert (cell.templates, cell.refused) == (n, 1)
    assert cell.why_refused.startswith("What the VLM reads of the template ends before")
    shown = "\n".join("".join(part for part, _ in line) for line in grid_lines([cell], None))
    assert "1 template not scored: What the VLM reads" in shown and CUT in shown

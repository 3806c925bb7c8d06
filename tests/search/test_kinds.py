"""Each search on the shipped models: what it asks, that it ends, and that it is determined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from engine.analysis.run_list import list_runs
from engine.common.kept import Kept
from engine.config import SearchKind
from engine.config.old import written_config
from engine.config.toml_file import load_config, preset_names
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import MakeEdit, Stop
from engine.run.edits import PinTemplate, SetOption
from engine.run.result import summarise
from engine.run.state import RunState
from engine.search.registry import SEARCHES, next_question
from engine.session.local import LocalSession
from engine.session.replay import ReplaySession
from engine.storage.fork import write_fork
from engine.storage.journal import read_journal
from tests.support.small_runs import demo, drive, outcome
from tests.support.steps import begin, of, run

OTHERS = [kind for kind, search in SEARCHES.items() if kind != "glov" and search.asks]


def test_every_search_that_can_be_named_is_registered() -> None:
    assert tuple(SEARCHES) == get_args(SearchKind)
    for search in SEARCHES.values():
        assert hasattr(search.load(), "question")


def test_what_was_written_before_there_were_others_is_glovs() -> None:
    before = load_config("demo").model_dump(mode="json")
    del before["search"]
    assert written_config(before).search.kind == "glov"
    assert all(
        load_config(name, ["data.path=/images"]).search.kind == "glov" for name in preset_names()
    )


def texts(prompt: ev.MetaPromptComposed) -> str:
    return "\n".join(m["content"] for m in prompt.messages)


def test_random_search_asks_the_first_question_again_and_draws_anew(demo_models) -> None:
    _, first = run(demo_models("search.kind=glov"), 1)
    state, facts = run(demo_models("search.kind=random"), 3)
    prompts = of(facts, ev.MetaPromptComposed)
    seed = normalise("a photo of a <category>.")
    assert {(p.best, p.worst) for p in prompts} == {((seed,), ())}
    assert len({texts(p) for p in prompts}) == 1
    assert texts(prompts[0]) == texts(of(first, ev.MetaPromptComposed)[0])
    replies = [
        tuple(c.reply for c in of(facts, ev.CandidateProposed) if c.step == n) for n in (1, 2, 3)
    ]
    assert len(set(replies)) == 3
    assert not of(facts, ev.SteeringPrepared)
    assert state.anchors is not None  # for the lab


def test_llm_opt_shows_the_last_steps_templates_only(demo_models) -> None:
    _, facts = run(demo_models("search.kind=llm-opt"), 3)
    prompts = {p.step: p for p in of(facts, ev.MetaPromptComposed) if p.attempt == 1}
    assert prompts[1].best == (normalise("a photo of a <category>."),)
    for step in (2, 3):
        replied = {
            normalise(c.template)
            for c in of(facts, ev.CandidateProposed)
            if c.step == step - 1 and c.template is not None
        }
        shown = {*prompts[step].best, *prompts[step].worst}
        assert shown and shown <= replied
        assert len(shown) == min(len(replied), 10)
        assert all(key in normalise(texts(prompts[step])) for key in shown)
    assert not of(facts, ev.SteeringPrepared)


def test_llm_opt_looks_further_back_where_a_step_gave_nothing(demo_models) -> None:
    search = demo_models("search.kind=llm-opt", "steps=9")
    state, _ = run(search, 1)
    empty = ev.StepFinished(
        step=2, attempts=1, new=0, duplicates=0, rejected=10, tokens=9, step_best=None,
        step_mean=None, best=state.steps[-1].best, seconds=1.0,
    )  # fmt: skip
    later = state.apply(ev.StepStarted(step=2)).apply(empty)
    assert type(search).examples(later, 3) == type(search).examples(state, 2)


@pytest.mark.parametrize("kind", OTHERS)
def test_pinned_templates_are_shown_and_banned_ones_are_not(demo_models, kind: str) -> None:
    search = demo_models(f"search.kind={kind}", "steps=9")
    state, _ = run(search, 2)
    old = next(t for t in state.templates if t.first.step == 1)
    edit = PinTemplate(key=old.key, pinned=True)
    pinned = state.apply(ev.Edited(number=1, step=3, edit=edit)).with_pending()
    best, worst = type(search).examples(pinned, 3)
    assert old in best and old not in worst
    banned = next(t for t in [*best, *worst] if t.key != old.key)
    allowed = replace(pinned, banned=frozenset({banned.key}))
    assert not any(banned in shown for shown in type(search).examples(allowed, 3))


@pytest.fixture(scope="module", params=OTHERS)
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kept: Kept
) -> Path:
    """A small run of each other search, to its end."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    drive(LocalSession.create(demo(f"search.kind={request.param}"), folder, kept=kept))
    return folder


def kind_of(folder: Path) -> str:
    return folder.name


def test_a_run_ends_with_its_search_in_its_result_and_in_lists(done: Path) -> None:
    state = RunState().apply_all(read_journal(done).events)
    assert state.status == "finished"
    assert summarise(state)["search"] == kind_of(done)
    assert [run.search for run in list_runs([str(done)])] == [kind_of(done)]
    said = [line.text for line in state.log if "can make no difference" in line.text]
    assert said == [
        f"steering.alpha can make no difference: search.kind is {kind_of(done)}, which uses no "
        + ("steering.*" if kind_of(done) == "llm-opt" else "steering.* and no proposal.examples")
    ]


def test_stopped_in_a_step_and_resumed_it_ends_the_same(
    done: Path, run_folder: Path, kept: Kept
) -> None:
    config = demo(f"search.kind={kind_of(done)}")

    def stop(event: ev.Event, _state: RunState) -> None:
        if isinstance(event, ev.CandidateProposed) and event.step == 2 and event.candidate == 3:
            session.send(Stop())

    session = LocalSession.create(config, run_folder, stop, kept)
    assert drive(session).status == "stopped"
    state = drive(LocalSession.resume(run_folder, kept=kept))
    assert outcome(run_folder) == outcome(done)
    assert sum("can make no difference" in line.text for line in state.log) == 1


def test_a_fork_goes_on_with_the_same_search_and_ends_alike(
    done: Path, run_folder: Path, kept: Kept
) -> None:
    write_fork(done, 1, run_folder)
    drive(LocalSession.resume(run_folder, kept=kept))
    assert outcome(run_folder)["ranking"] == outcome(done)["ranking"]
    replay = ReplaySession.open(run_folder)
    replay.go_to_end()
    assert replay.state.config is not None
    assert replay.state.config.search.kind == kind_of(done)


def test_an_edit_that_the_search_has_no_use_for_is_refused(
    done: Path, run_folder: Path, kept: Kept
) -> None:
    def edit(event: ev.Event, _state: RunState) -> None:
        if isinstance(event, ev.StepStarted) and event.step == 1:
            session.send(MakeEdit(edit=SetOption(key="steering.alpha", value=1.0)))

    session = LocalSession.create(
        demo(f"search.kind={kind_of(done)}", "steps=2"), run_folder, edit, kept
    )
    state = drive(session)
    assert not state.edits
    assert any("edit refused: steering.alpha can make no difference" in e.text for e in state.log)


def test_what_comes_next_is_known_without_models(demo_models) -> None:
    for kind in ("glov", *OTHERS):
        search = demo_models(f"search.kind={kind}", "steps=9")
        state, _ = run(search, 1)
        assert next_question(state) == search.messages(state)
    assert begin(search).config is not None

"""``proposal.reply_prefix`` and ``proposal.accept`` in whole runs, also changed while they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.common.errors import ConfigError, ModelError
from engine.common.kept import Kept
from engine.config.old import WrittenConfig, written_config
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.commands import MakeEdit, Pause, Resume, RunExperiment, Stop
from engine.run.edit_check import edit_problem
from engine.run.edits import SetNextPrompt, SetOption
from engine.run.experiment import CompareSettings, RepliesCompared, ScanSettings, SteeringSetting
from engine.run.state import RunState
from engine.search.glov import GlovSearch
from engine.search.lab import Subject, run_experiment
from engine.search.meta_prompt import with_prefix
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.vlm.dual_encoder.task import TASK
from tests.support.findings import cells_of
from tests.support.sessions import loaded
from tests.support.small_runs import demo, drive, outcome
from tests.support.steps import run

PREFIX = "a photo of a <category> in"
BEGUN = {"role": "assistant", "content": PREFIX}
OFF = SteeringSetting(mode="off", layers=(), alpha=0)


def replies_of(folder: Path, step: int) -> list[ev.CandidateProposed]:
    events = read_journal(folder).events
    return [e for e in events if isinstance(e, ev.CandidateProposed) and e.step == step]


def test_replies_are_begun_from_the_edit_on_and_so_are_their_templates(
    tmp_path: Path, kept: Kept
) -> None:
    """The edit is made during step 1; the lab tries the same beginning, and a resume keeps it."""

    def watch(event: ev.Event, state: RunState) -> None:
        match event:
            case ev.TokensStreamed(step=1) if not state.edits:
                edit = SetOption(key="proposal.reply_prefix", value=f"{PREFIX} ")
                session.send(MakeEdit(edit=edit))
                once = SetNextPrompt(system="", user="One template, please.")
                session.send(MakeEdit(edit=once))
            case ev.TokensStreamed(step=2) if state.experiment is None and not paused:
                paused.append(True)
                session.send(Pause())
            case ev.RunPaused():
                session.send(RunExperiment(experiment=compare))
            case ev.ExperimentProgress(found=RepliesCompared() as found):
                compared.append(found)
            case ev.ExperimentEnded():
                session.send(Resume())

    compare = CompareSettings(left=OFF, right=OFF, replies=2)
    paused: list[bool] = []
    compared: list[Any] = []
    folder = tmp_path / "run"
    session = LocalSession.create(demo("steps=3", "steering.mode=off"), folder, watch, kept)
    state = drive(session)
    assert state.status == "finished", state.error
    asked = [e for e in read_journal(folder).events if isinstance(e, ev.MetaPromptComposed)]
    by_step = {e.step: [m["role"] for m in e.messages] for e in asked}
    assert by_step == {
        1: ["system", "user"],
        2: ["user", "assistant"],
        3: ["system", "user", "assistant"],
    }
    assert asked[-1].messages[-1] == BEGUN
    assert not all(c.reply.startswith(PREFIX) for c in replies_of(folder, 1))
    for step in (2, 3):
        for reply in replies_of(folder, step):
            assert reply.reply.startswith(PREFIX) and "  " not in reply.reply
            assert reply.template is None or reply.template.startswith(PREFIX)
    assert any(t.text.startswith(PREFIX) for t in state.templates)
    assert all(trace.text.startswith(PREFIX) for trace in compared[0].left)


def test_a_run_with_begun_replies_ends_the_same_when_it_was_stopped(
    tmp_path: Path, kept: Kept
) -> None:
    config = demo(f"proposal.reply_prefix={PREFIX}", "proposal.accept=verbatim")
    whole = tmp_path / "whole"
    drive(LocalSession.create(config, whole, kept=kept))

    def watch(event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.TokensStreamed) and event.step == 2:
            session.send(Stop())

    session = LocalSession.create(config, tmp_path / "run", watch, kept)
    assert drive(session).status == "stopped"
    drive(LocalSession.resume(tmp_path / "run", kept=kept))
    assert outcome(tmp_path / "run") == outcome(whole)


def test_how_much_is_accepted_follows_the_configuration(demo_models) -> None:
    """Cut off after a few tokens, no whole sentence is left, but texts that can be scored are."""
    overrides = ("steps=1", "data.shots=1", "sampling.max_new_tokens=12", "proposal.attempts=1")
    accepted = {}
    for accept in ("usable", "verbatim", "clean"):
        search: GlovSearch = demo_models(*overrides, f"proposal.accept={accept}")
        state, _ = run(search, 1)
        accepted[accept] = [c.template for c in state.candidates if c.template is not None]
        assert any(c.finish == "length" for c in state.candidates)
    assert len(accepted["clean"]) < len(accepted["usable"]) == len(accepted["verbatim"])
    assert accepted["usable"] != accepted["verbatim"]  # their ends go back to a clause
    with_lab = {}
    for accept in ("usable", "clean"):
        anchor = accepted["usable"][0], "a photo of a <category>."
        sampling = search.config.sampling
        subject = Subject(
            search.llm,
            state.prompt.messages,
            sampling,
            *anchor,
            task=TASK,
            fitness=search.fitness,
            accept=accept,
        )
        setting = SteeringSetting(layers=(3,), alpha=0.1)
        scan = ScanSettings(setting=setting, layers=(3,), alphas=(0.1,), replies=8)
        found = cells_of(run_experiment(scan, subject))
        with_lab[accept] = found[0].templates
    assert with_lab["clean"] < with_lab["usable"]


def test_what_earlier_runs_did_is_what_they_go_on_with() -> None:
    """Their journals have none of the keys that came later."""
    values = load_config("demo").model_dump(mode="json")
    assert written_config(values) == load_config("demo")
    for section, key in (("proposal", "accept"), ("proposal", "reply_prefix"),
                         ("sampling", "thinking_tokens")):  # fmt: skip
        del values[section][key]
    config = written_config(values)
    assert config.proposal.accept == "clean" and config.proposal.reply_prefix is None
    assert config.sampling.thinking_tokens == 0
    state = RunState().apply(ev.RunStarted(run="r", config=values, versions={}))
    assert state.config == config
    assert TypeAdapter(WrittenConfig).validate_python(values) == config  # the plan of a sweep
    assert TypeAdapter(WrittenConfig).validate_python(load_config("demo")) == load_config("demo")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", None), ("  ", None), (None, None), (" a <category> ", "a <category>")],
)
def test_the_beginning_of_replies_may_be_empty(value: str | None, expected: str | None) -> None:
    config = load_config("demo", values={"proposal.reply_prefix": value})
    assert config.proposal.reply_prefix == expected
    assert len(with_prefix([], config.proposal.reply_prefix)) == (expected is not None)


@pytest.mark.parametrize("value", ["a\nb", "a\x1b[1mb", "x" * 301])
def test_a_beginning_that_is_no_line_of_text_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"proposal\.reply_prefix"):
        load_config("demo", values={"proposal.reply_prefix": value})


def test_an_llm_that_thinks_first_takes_no_beginning(demo_models) -> None:
    edit = SetOption(key="proposal.reply_prefix", value=PREFIX)
    events = loaded()
    assert edit_problem(RunState().apply_all(events), edit) is None
    thinks = [
        e.model_copy(update={"llm_thinks_first": True}) if isinstance(e, ev.ModelsLoaded) else e
        for e in events
    ]
    state = RunState().apply_all(thinks)
    assert "begins its replies with a thought" in str(edit_problem(state, edit))
    assert edit_problem(state, SetOption(key="proposal.reply_prefix", value=None)) is None
    search: GlovSearch = demo_models()

    class Thinker:
        name, thinks_first, layers, spending = "thinker", True, 6, None

    config = load_config("demo", [f"proposal.reply_prefix={PREFIX}"])
    with pytest.raises(ModelError, match=r"proposal\.reply_prefix can't be used with thinker"):
        GlovSearch(config, Thinker(), search.fitness, search.meta_prompt)  # type: ignore[arg-type]

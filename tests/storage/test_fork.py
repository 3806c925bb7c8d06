"""Forks: what is copied, what may change, and that an unchanged one ends as its parent does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import UserError
from engine.common.kept import Kept
from engine.config.places import read_places
from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.result import summarise
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from engine.storage.journal import Journal, read_journal, read_state
from engine.storage.run_folder import EVENTS
from engine.storage.run_record import read_record
from tests.support.patience import CEILING_SECONDS
from tests.support.written_runs import write_run


def state_of(folder: Path) -> RunState:
    return read_state(folder)


def run_to_end(session: LocalSession) -> RunState:
    session.start()
    assert session.wait(CEILING_SECONDS)
    assert session.state.status == "finished", session.state.error
    return session.state


def test_real_forks_end_as_their_parent_does_unless_something_is_changed(
    tmp_path: Path, kept: Kept
) -> None:
    config = load_config("demo", ["steps=2", "data.shots=1", "sampling.max_new_tokens=30"])
    parent = run_to_end(LocalSession.create(config, tmp_path / "parent", kept=kept))
    write_fork(tmp_path / "parent", 1, tmp_path / "same")
    same = run_to_end(LocalSession.resume(tmp_path / "same", kept=kept))
    assert same.ranking == parent.ranking and same.anchors == parent.anchors
    assert [s.comparable() for s in same.steps] == [s.comparable() for s in parent.steps]
    assert [t.comparable() for t in same.tests] == [t.comparable() for t in parent.tests]
    assert summarise(same)["forked_from"] == {"run": "parent", "step": 1}
    write_fork(tmp_path / "parent", 1, tmp_path / "other", ["seed=9", "proposal.candidates=4"])
    other = run_to_end(LocalSession.resume(tmp_path / "other", kept=kept))
    assert other.steps[0] == parent.steps[0]
    assert [c.reply for c in other.candidates] != [c.reply for c in parent.candidates[:4]]
    assert other.models.train_size == parent.models.train_size
    again = {t.key: (t.hits, t.class_hits) for t in other.templates}
    shared = [t for t in parent.templates if t.key in again]
    assert all(again[t.key] == (t.hits, t.class_hits) for t in shared)  # on the parent's sample


def test_a_fork_of_a_finished_run_measures_what_is_due_at_its_step(
    tmp_path: Path, kept: Kept
) -> None:
    options = ["steps=2", "data.shots=1", "sampling.max_new_tokens=30"]
    short = load_config("demo", options)
    run_to_end(LocalSession.create(short, tmp_path / "short", kept=kept))
    longer = ["steps=3", "evaluation.every=2"]
    long = load_config("demo", [*options, *longer])
    whole = run_to_end(LocalSession.create(long, tmp_path / "long", kept=kept))
    write_fork(tmp_path / "short", 2, tmp_path / "fork", longer)
    before = read_state(tmp_path / "fork")
    assert [t.subject for t in before.tests] == ["seed"]  # that of the end is the parent's
    forked = run_to_end(LocalSession.resume(tmp_path / "fork", kept=kept))
    assert [t.comparable() for t in forked.tests] == [t.comparable() for t in whole.tests]
    assert [t.step for t in forked.tests] == [0, 2, 3, 3]


def test_edits_of_a_fork_need_a_step_that_is_left(tmp_path: Path) -> None:
    parent = write_run(tmp_path / "parent")
    with pytest.raises(UserError, match="step 2 is the last one"):
        write_fork(parent, 2, tmp_path / "fork", ["steering.alpha=0.25"])
    assert write_fork(parent, 2, tmp_path / "fork", ["steering.alpha=0.25", "steps=3"]) == 1
    assert [e.step for e in state_of(tmp_path / "fork").pending] == [3]


def test_a_fork_has_the_facts_up_to_its_step_and_says_where_it_came_from(tmp_path: Path) -> None:
    parent = write_run(tmp_path / "parent", curve=(40, 60, 50))
    before = (parent / EVENTS).read_bytes()
    assert write_fork(parent, 2, tmp_path / "fork") == 1
    state = state_of(tmp_path / "fork")
    assert (state.run, state.status, state.steps_done) == ("fork", "stopped", 2)
    assert (state.forked.parent, state.forked.step) == ("parent", 2)
    assert [t.hits for t in state.ranking] == [60, 40, 30]
    assert load_config(tmp_path / "fork" / "config.toml") == state.config
    assert (parent / EVENTS).read_bytes() == before
    write_fork(tmp_path / "fork", 1, tmp_path / "second")
    state = state_of(tmp_path / "second")
    assert (state.forked.parent, state.forked.step, state.steps_done) == ("fork", 1, 1)


def test_at_step_0_only_the_seed_template_is_scored(tmp_path: Path) -> None:
    write_fork(write_run(tmp_path / "parent"), 0, tmp_path / "fork")
    state = state_of(tmp_path / "fork")
    assert [t.origin for t in state.templates] == ["seed"]
    assert [t.subject for t in state.tests] == ["seed"] and not state.steps


def test_the_end_of_a_finished_run_can_be_gone_on_from(tmp_path: Path) -> None:
    parent = write_run(tmp_path / "parent")
    write_fork(parent, 2, tmp_path / "fork", ["steps=9", "evaluation.every=2"])
    state = state_of(tmp_path / "fork")
    assert (state.config.steps, state.steps_done, state.status) == (9, 2, "stopped")
    assert [t.subject for t in state.tests] == ["seed", "ensemble"]  # which `every` asks for
    assert read_record(tmp_path / "fork").edited is False


def test_what_is_set_holds_from_the_next_step_on(tmp_path: Path) -> None:
    parent = write_run(tmp_path / "parent", curve=(40, 60, 50))
    overrides = ["steering.alpha=0.25", "steering.layers=[2,3]", "seed=7", "steps=5"]
    write_fork(parent, 1, tmp_path / "fork", overrides)
    state = state_of(tmp_path / "fork")
    assert (state.config.seed, state.config.data.sample_seed, state.config.steps) == (7, 0, 5)
    assert state.config.steering.alpha != 0.25
    assert [e.step for e in state.pending] == [2, 2]
    assert state.with_pending().config.steering.alpha == 0.25
    assert state.with_pending().config.steering.layers == (2, 3)
    record = read_record(tmp_path / "fork")
    assert record.edited


def test_a_step_that_was_cut_off_and_edits_before_the_next_one_are_told_apart(
    tmp_path: Path,
) -> None:
    parent = write_run(tmp_path / "parent", curve=(40, 60, 50), finished=False)
    journal = Journal(parent)
    journal.append(
        ev.RunPaused(step=1),
        ev.TemplateScored(
            step=1,
            attempt=1,
            candidate=0,
            template="my own <category>",
            origin="human",
            hits=50,
            n=80,
            margin=-1.0,
            class_hits=(),
        ),
        ev.RunResumed(step=1),
        ev.StepStarted(step=2),
        ev.Warned(message="within step 2"),
        ev.RunStopped(step=1),
        ev.RunReopened(versions={}),
    )
    journal.close()
    write_fork(parent, 1, tmp_path / "fork")
    events = read_journal(tmp_path / "fork").events
    state = state_of(tmp_path / "fork")
    assert [t.origin for t in state.templates] == ["seed", "llm", "human"]
    kinds = {e.kind for e in events}
    assert not kinds & {"run-paused", "run-resumed", "run-stopped", "run-reopened", "warned"}


def test_what_was_done_while_a_cut_off_step_is_loaded_again_is_in_a_fork(tmp_path: Path) -> None:
    parent = write_run(tmp_path / "parent", curve=(40, 60, 50), finished=False)
    edits = [SetOption(key="steering.alpha", value=value) for value in (0.1, 0.2, 0.3)]
    seed = normalise("a photo of a <category>.")
    best, mine = normalise("template 1 of <category>"), normalise("my own <category>")
    journal = Journal(parent)
    journal.append(ev.Edited(number=1, step=2, edit=edits[0]))
    journal.append(ev.StepStarted(step=2))
    journal.append(ev.Edited(number=2, step=3, edit=edits[1]))
    journal.append(_by_llm("lost <category>"))
    journal.append(ev.AnchorsMoved(step=2, positive=seed, negative=best))  # as version 1 wrote it
    journal.append(ev.RunReopened(versions={}))
    journal.append(ev.EditUndone(number=2), ev.EditUndone(number=1))
    journal.append(ev.Edited(number=3, step=2, edit=edits[2]))
    journal.append(ev.TemplateInjected(step=1, template="my own <category>"))
    journal.append(
        _by_llm("my own <category>").model_copy(update={"origin": "human", "step": 1}),
        ev.AnchorsMoved(step=1, positive=mine, negative=seed),
    )
    before = read_state(parent)
    journal.append(ev.StepStarted(step=2))
    journal.append(ev.StepFinished(**{**read_state(parent).steps[0].model_dump(), "step": 2}))
    journal.close()
    write_fork(parent, 1, tmp_path / "fork")
    state = state_of(tmp_path / "fork")
    assert [edited.edit.value for edited in state.pending] == [0.3]
    assert (state.anchors, state.ranking) == (before.anchors, before.ranking)
    write_fork(parent, 2, tmp_path / "later")
    later, whole = state_of(tmp_path / "later"), state_of(parent)
    assert later.config.steering.alpha == whole.config.steering.alpha == 0.3
    assert (later.anchors, later.ranking) == (whole.anchors, whole.ranking)


def _by_llm(template: str) -> ev.TemplateScored:
    return ev.TemplateScored(
        step=2,
        attempt=1,
        candidate=0,
        template=template,
        origin="llm",
        hits=70,
        n=80,
        margin=-1.0,
        class_hits=(),
    )


@pytest.mark.parametrize(
    ("step", "overrides", "expected"),
    [
        (3, [], "2 steps done; --at-step can be 0"),
        (1, ["data.shots=2"], "data.shots can't change in a fork"),
        (1, ["search.kind=random"], "a run is one search's from its first step to its last"),
        (1, ["vlm.precision=fp16"], "These can: steps, seed, evaluation"),
        (1, ["seed_template=a <category>"], "glov run .*parent/config.toml --set seed_template"),
        (1, ["steering.alpa=1"], "did you mean steering.alpha"),
        (1, ["steering.alpha=big"], "steering.alpha = 'big'"),
        (1, ["steering.layers=99"], "decoder layers are 0 to 5"),
        (2, ["steps=1"], "give 2 or more"),
        (1, ["nonsense"], "key.path=value"),
    ],
)
def test_what_can_not_be_is_refused_and_leaves_no_run(tmp_path, step, overrides, expected) -> None:
    parent = write_run(tmp_path / "parent")
    with pytest.raises(UserError, match=expected):
        write_fork(parent, step, tmp_path / "fork", overrides)
    assert not (tmp_path / "fork").exists()


@pytest.mark.parametrize("key", ["llm.dtype=bfloat16", "llm.quantization=4bit"])
def test_the_llm_of_a_fork_may_have_fewer_bits(tmp_path: Path, key: str) -> None:
    parent = write_run(tmp_path / "parent")
    write_fork(parent, 1, tmp_path / "fork", [key])
    events = read_journal(tmp_path / "fork").events
    begun, loaded = events[0], next(e for e in events if isinstance(e, ev.ModelsLoaded))
    assert isinstance(begun, ev.RunStarted)
    section, name = key.partition("=")[0].split(".")
    assert begun.config[section][name] == key.partition("=")[2]
    assert loaded.llm_revision == ""  # nothing is held against the parent's
    assert [e for e in events if isinstance(e, ev.TemplateScored)]  # whose scores hold
    with pytest.raises(UserError, match=r"a fork can have it: glov fork"):
        read_places(load_config("demo"), [key])


def test_damaged_parents_and_taken_folders_are_refused(tmp_path: Path) -> None:
    parent, taken = write_run(tmp_path / "parent"), write_run(tmp_path / "taken")
    with pytest.raises(UserError, match="holds a run already"):
        write_fork(parent, 1, taken)
    lines = (parent / EVENTS).read_bytes().split(b"\n")
    (parent / EVENTS).write_bytes(b"\n".join([*lines[:3], b"{}", *lines[4:]]))
    with pytest.raises(UserError, match="line 4 of .* is damaged"):
        write_fork(parent, 1, tmp_path / "fork")
    begun = read_journal(taken).events[0]
    empty = Journal.create(tmp_path / "new")
    empty.append(begun)
    empty.close()
    with pytest.raises(UserError, match="not scored yet"):
        write_fork(tmp_path / "new", 0, tmp_path / "fork")

"""The lab book as facts: notes that are written, changed and taken away."""

from __future__ import annotations

import pytest

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import WriteNote
from engine.run.note_check import note_problem, noted
from engine.run.state import RunState
from tests.support.sessions import loaded, one_step

DIM = "a dim <category>."


def begun() -> RunState:
    state = RunState().apply_all(loaded())
    return state.apply_all(one_step(1, {DIM: 6}, DIM))


def written(state: RunState, text: str, number: int = 0, **on: object) -> RunState:
    command = WriteNote(text=text, number=number, author="ada", **on)
    assert note_problem(state, command) is None
    return state.apply(noted(state, command))


def test_a_note_is_on_a_template_a_step_or_the_run() -> None:
    state = written(begun(), "dim helps", template=normalise(DIM))
    state = written(state, "slow\nand long ", step=1)
    state = written(state, "for the paper")
    assert [(n.number, n.about, n.text, n.author) for n in state.notes] == [
        (1, normalise(DIM), "dim helps", "ada"),
        (2, "step 1", "slow\nand long", "ada"),
        (3, "the run", "for the paper", "ada"),
    ]
    assert state.log[-2].text == "note 2 on step 1, by ada: slow and long"


def test_a_note_is_changed_and_keeps_what_it_is_on() -> None:
    state = written(begun(), "dim helps", template=normalise(DIM))
    command = WriteNote(text="dim hurts", number=1, author="bob")
    changed = noted(state, command)
    state = state.apply(changed)
    (note,) = state.notes
    assert (note.text, note.author, note.changed_by) == ("dim hurts", "ada", "bob")
    assert note.template == normalise(DIM) and note.changed_at == changed.time


def test_a_note_is_taken_away_and_its_number_is_not_used_again() -> None:
    state = written(written(begun(), "one"), "two")
    state = written(state, "", 2)
    assert [note.number for note in state.notes] == [1]
    assert state.log[-1].text == "note 2 taken away, by ada"
    assert written(state, "three").notes[-1].number == 3


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (WriteNote(text=" \n"), "the note is empty"),
        (WriteNote(text="x", number=7), "there is no note 7"),
        (WriteNote(text="x", step=2), "there is no step 2 yet; the last one is 1"),
        (WriteNote(text="x", template="a wet <category>"), "no such template"),
    ],
)
def test_what_is_no_note(command: WriteNote, why: str) -> None:
    assert why in (note_problem(begun(), command) or "")


def test_a_step_that_begins_again_keeps_the_notes() -> None:
    state = begun().apply(ev.StepStarted(step=2))
    state = written(state, "a note in the middle", step=2)
    state = state.apply_all([ev.RunFailed(message="x"), ev.RunReopened(versions={})])
    assert [note.text for note in state.notes] == ["a note in the middle"]
    state = state.apply(ev.StepStarted(step=2))
    assert len(state.notes) == 1 and written(state, "more").notes[-1].number == 2


def test_no_journal_makes_the_fold_fail() -> None:
    state = begun().apply(ev.Noted(number=9, text=""))
    assert not state.notes and state.notes_made == 9
    state = state.apply(ev.Noted(number=3, text="x", template="unknown"))
    assert state.notes[0].about == "unknown"

"""A run that ends behind any of its facts and is resumed ends as one that was never killed.

What a killed process leaves is the first appends of its journal, so a journal that is cut behind
one of them is a kill at that moment. ``GLOV_CUTS`` says where: ``all``, or kinds of facts.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import read_journal, read_state
from tests.support import person
from tests.support.cut_journals import appends, cut, kinds
from tests.support.person import Person
from tests.support.small_runs import demo, drive, outcome


def met(session: LocalSession, somebody: Person) -> RunState:
    somebody.session = session
    return drive(session)


@pytest.fixture(scope="module")
def meddled(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Path:
    """A run in which somebody injects and edits, and that nothing else has happened to."""
    folder, somebody = tmp_path_factory.mktemp("runs") / "meddled", Person()
    met(LocalSession.create(demo(), folder, somebody, kept), somebody)
    return folder


def test_what_belongs_together_is_one_append(meddled: Path) -> None:
    found = [kinds(append) for append in appends(meddled)]
    together = [kind for kind in found if len(kind) > 1]
    end = ["step-finished", "test-measured"]
    assert together == [
        ["anchors-moved", *end],
        ["template-scored", "anchors-moved"],  # a person's, after step 1
        end,
        ["test-measured", "test-measured", "run-finished"],
    ]
    assert ["step-finished"] in found  # the last step's end; the final ensemble is measured then


def test_somebody_meddles_in_every_way(meddled: Path) -> None:
    state = read_state(meddled)
    first = {t.text: t.first.step for t in state.templates if t.origin == "human"}
    assert first == {
        person.WHILE_LOADING: 0,
        person.WITHIN_STEP_1: 1,
        person.AFTER_STEP_1: 1,
        person.WHILE_FINISHING: 3,
    }
    steered = [e for e in read_journal(meddled).events if isinstance(e, ev.SteeringPrepared)]
    assert [e.positive for e in steered] == [person.BAN.key, person.OTHERS.positive]
    assert [len(e.previous_cosines) for e in steered] == [0, 6]
    assert max(steered[1].previous_cosines) < 0.99
    moved = [e for e in read_journal(meddled).events if isinstance(e, ev.AnchorsMoved)]
    better = person.WITHIN_STEP_1, person.AFTER_STEP_1
    assert [e.positive for e in moved] == [normalise(text) for text in better]
    assert [(e.step, e.edit) for e in state.edits] == [
        (3, person.COOLER),
        (3, person.OTHERS),
        (4, person.BAN),
        (4, person.ALLOW),
    ]
    assert person.AFTER_STEP_1 in [t.text for t in state.ranking[:3]]
    assert state.test("ensemble").selection == "greedy"  # chosen from all of them
    finishes = [e for e in read_journal(meddled).events if isinstance(e, ev.FinishStarted)]
    assert len(finishes) == 2  # somebody edited meanwhile
    assert [t.subject for t in state.tests] == ["seed", "ensemble", "ensemble", "best", "ensemble"]


# Behind these, right before the first ones, and behind the score of what was injected.
SPECIAL = ("step-finished", "finish-started", "template-injected", "edited", "anchors-moved")
BEFORE = SPECIAL[:2]


def places(whole: list[list[str]], wanted: str) -> list[int]:
    """Behind which appends to cut."""
    if wanted == "all":
        return list(range(1, len(whole)))
    special = wanted.split(",") if wanted else SPECIAL
    found = set()
    for place, append in enumerate(whole, start=1):
        found |= {place} if set(append) & set(special) else set()
        found |= {place + 1} if "template-injected" in set(append) & set(special) else set()
        found |= {place - 1} if set(append) & set(BEFORE) & set(special) else set()
    return sorted(found)


def test_resumed_behind_any_fact_ends_the_same(meddled: Path, tmp_path: Path, kept: Kept) -> None:
    whole = [kinds(append) for append in appends(meddled)]
    for place in places(whole, os.environ.get("GLOV_CUTS", "")):
        somebody = Person()
        folder = cut(meddled, place, tmp_path / f"cut-{place}")
        met(LocalSession.resume(folder, somebody, kept), somebody)
        assert outcome(folder) == outcome(meddled), f"cut behind {whole[place - 1]}"

"""Rows that are made when they are looked at are those that all at once would be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.run import events as ev
from engine.run.ranking import Proposal, ScoredTemplate
from engine.run.state import RunState
from engine.run.template_log import TemplateLog
from glov_tui.cockpit.panes.ranked import Ranked, Row


def finished(step: int) -> ev.StepFinished:
    return ev.StepFinished(
        step=step, attempts=1, new=1, duplicates=0, rejected=0, tokens=1,
        step_best=None, step_mean=None, best=0.0, seconds=0.0,
    )  # fmt: skip


def at_once(state: RunState) -> list[Row]:
    """With the ranks that templates of before the last step had among one another."""
    last = state.steps_done
    before = [t for t in state.ranking if t.first.step < last]
    old = {t.key: rank for rank, t in enumerate(before, 1)}
    return [
        Row(rank, t, old[t.key] - rank if t.key in old else (0 if last == 0 else None))
        for rank, t in enumerate(state.ranking, 1)
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=30), st.integers(0, 6))
def test_rows_have_their_templates_ranks_and_changes(found, steps_done) -> None:
    log, step = TemplateLog(), 0
    for number, (hits, later) in enumerate(found):
        step += later == 0
        first = Proposal(step, 1, number)
        log = log.with_template(
            ScoredTemplate(f"t{number}", f"t{number}", "llm", first, hits, 10, -1.0, ())
        )
    state = RunState(scored=log, steps=tuple(map(finished, range(1, steps_done + 1))))
    rows = Ranked(state)
    assert list(rows) == rows[:] == at_once(state)
    assert list(rows.keys) == rows.keys[:] == [row.template.key for row in rows]
    assert [rows.keys.index(key) for key in rows.keys] == list(range(len(rows)))
    assert "t30" not in rows.keys and "t30" not in list(rows.keys)

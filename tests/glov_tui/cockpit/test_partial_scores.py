"""A score that rests on some of the training images says so; others look as they always did."""

from __future__ import annotations

from pathlib import Path

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.state import RunState
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.template_lines import details
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, scored, settle

WHOLE, PART = "a <category> of all.", "a <category> of some."


def partly(hits: int, n: int) -> ev.TemplateScored:
    return scored(PART, 0, 1).model_copy(update={"hits": hits, "n": n, "class_hits": ()})


def run() -> list[ev.Event]:
    return [*loaded(), *one_step(1, {WHOLE: 7}, WHOLE)]


def shown(pane: ExamplesPane, state: RunState) -> list[str]:
    lines = [pane._line(row, state) for row in pane._rows()]
    return ["".join(text for text, _ in line) for line in lines]


async def test_the_ranked_list_has_hits_of_n_where_n_is_not_all(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *run(), partly(3, 4))
    async with cockpit(session) as (pilot, app):
        pane = app.query_one(ExamplesPane)
        (part,) = (line for line in shown(pane, session.state) if PART in line)
        assert " 75.0% " in part and f"3/4 {PART}" in part
        assert not any("/10" in line for line in shown(pane, session.state))
        session.apply(partly(9, 10))  # scored again, on all of them: nothing else has changed
        await settle(pilot)
        (part,) = (line for line in shown(pane, session.state) if PART in line)
        assert " 90.0% " in part and "/" not in part
        assert shown(pane, session.state)[0] == part


def text(template: str, state: RunState) -> str:
    """Of the details of a template."""
    found = state.find(normalise(template))
    assert found is not None
    return "\n".join("".join(part for part, _ in line) for line in details(found, state))


def test_the_details_say_of_how_many() -> None:
    state = RunState().apply_all([*run(), partly(3, 4)])
    assert "(3 of 4 training images, of 10; 95 %" in text(PART, state)
    assert "hits by class" not in text(PART, state)  # of which classes the four were is not known
    assert "(7 of 10 training images; 95 %" in text(WHOLE, state)
    assert "hits by class" in text(WHOLE, state)


def test_the_details_say_how_many_answers_name_no_class() -> None:
    silent = partly(3, 10).model_copy(update={"unnamed": 5})
    state = RunState().apply_all([*run(), partly(3, 4), silent])
    assert "answers that name no class: 5 of 10, all wrong" in text(PART, state)
    assert "name no class" not in text(WHOLE, state)

"""Runs whose templates are long questions: what is shown of them fits, nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Label, Static

from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import InjectTemplate
from engine.run.state import RunState
from glov_tui.cockpit.lab.grid import GridView
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.cockpit.screens.inject import TemplatesArea
from glov_tui.cockpit.template_lines import details
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle

ASKED = "Describe the image. What is the name of its category, "
TAIL = (
    ", with left and right swapped, under a blue lamp, washed out by a flash, on a lawn, far away?"
)
QUESTIONS = [f"{ASKED}{light}{TAIL}" for light in ("in red light", "in a dim room", "indoors")]
ODD = "It is turned upside down. What is the name of its category?"


def events() -> list[ev.Event]:
    steps = one_step(1, {**dict.fromkeys(QUESTIONS, 6), ODD: 5}, QUESTIONS[0])
    return [*loaded(load_config("demo-llava")), *steps, ev.StepStarted(step=2)]


def streamed(*texts: str) -> ev.TokensStreamed:
    return ev.TokensStreamed(step=2, attempt=1, texts=texts)


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    return HeldSession(tmp_path, *events())


def replies(pane: CandidatesPane) -> list[str]:
    return ["".join(text for text, _ in line) for line in pane._lines if line]


async def test_in_a_low_pane_what_questions_begin_with_alike_is_folded(session) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        await pilot.press("4")
        pane = app.query_one(CandidatesPane)
        seen = []
        for said in ("Desc", ASKED, f"{ASKED}far away"):
            before = session.state
            session.apply(streamed(said, "Describe it.", "It is"))
            await settle(pilot)
            seen.append([reply.split(maxsplit=2)[2:] for reply in replies(pane)])
            session.state = before  # each is all of the stream
        assert [first for first, *_ in seen] == [["…"], ["…"], ["…far away"]]
        assert all(rest == [["Describe it."], ["It is"]] for _, *rest in seen)
        session.apply(*one_step(2, {f"{ASKED}in fog?": 7, ODD: 5})[2:4])
        await settle(pilot)
        assert replies(pane)[0].endswith("- …in fog?")
        await pilot.press("y")
        assert app.clipboard == f"{ASKED}in fog?"  # all of it


async def test_in_a_high_pane_nothing_is_folded(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        session.apply(streamed("Desc", ODD))
        await settle(pilot)
        assert replies(app.query_one(CandidatesPane))[0].endswith("Desc")


async def test_what_was_scored_is_not_shown_on_as_if_it_were_under_way(session) -> None:
    """An injected template is scored while the run is paused: no later progress comes."""
    async with cockpit(session) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        sample = ev.SampleAnswer(
            template=ODD, path="a.png", answer="ring.", truth="ring", predicted="ring"
        )

        def scoring(done: int) -> ev.Progress:
            part = ev.TemplateSoFar(template=ODD, hits=0, n=done, of=10)
            return ev.Progress(phase="scoring", done=done, total=10, answer=sample, so_far=(part,))

        session.apply(scoring(8))
        await settle(pilot)
        assert "ring" in str(pane.border_subtitle)
        session.apply(scoring(10))
        await settle(pilot)
        assert "ring" not in str(pane.border_subtitle) and "images" not in str(pane.border_title)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_a_long_question_leaves_room_for_the_list(session, size) -> None:
    async with cockpit(session, size) as (_, app):
        selected = app.query_one("#selected", Static)
        pane = app.query_one(ExamplesPane)
        assert app.query_one(RowTable).size.height >= pane.size.height * 2 // 3
        shown = Content(str(selected.content)).wrap(max(1, pane.size.width - 4))
        assert len(shown) <= max(2, pane.size.height // 3)
        assert "in red light" in str(selected.content)  # where it differs is in view


async def test_a_question_is_injected_and_one_with_a_class_is_refused_in_words(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("i")
        area = app.screen.query_one(TemplatesArea)
        problem = app.screen.query_one("#problem", Label)
        for text in ("Is it a <category>?", "{}", "Is it a {c}?"):
            area.text = text
            await pilot.pause()
            assert str(problem.content) == (
                "The template is no prompt that asks for the category of an image: it can't have "
                "the placeholder <category>."
            )
        area.text = "What is the name of the thing?"
        await pilot.pause()
        assert str(problem.content) == "Can be scored."
        await pilot.press("enter")
        assert session.sent[-1] == InjectTemplate(text="What is the name of the thing?")


def text_of(template: str, reply: str) -> str:
    state = RunState().apply_all(
        e.model_copy(update={"reply": reply}) if isinstance(e, ev.CandidateProposed) else e
        for e in [*loaded(), *one_step(1, {template: 5})]
    )
    found = state.find(normalise(template))
    assert found is not None
    return "\n".join("".join(part for part, _ in line) for line in details(found, state))


def test_a_reply_that_is_the_template_is_not_written_twice() -> None:
    said = text_of(ODD, f"{ODD}\n")
    assert said.count(ODD) == 1 and "reply 1, word for word" in said
    said = text_of(ODD, f"Sure: {ODD}")
    assert said.count(ODD) == 2 and "word for word" not in said


async def test_the_parts_of_the_details_are_a_key_away(session) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, DetailsScreen) and app.screen._found is not None)
        await pilot.pause()
        view = app.screen.query_one(TextView)
        tops = []
        for _ in range(len(app.screen._parts) + 1):
            await pilot.press("n")
            tops.append(view.scroll_offset.y)
        heading = "hits by class"
        rows = ["".join(text for text, _ in row) for row in view._wrapped]
        seen = [row for top in tops for row in rows[top : top + view.size.height]]
        assert any(heading in row for row in seen) and 0 in tops
        assert not any(heading in row for row in rows[: view.size.height])  # the first view


async def test_texts_that_stand_in_empty_panes_fit(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), (80, 24)) as (pilot, app):
        chart = app.query_one(AccuracyPane)
        assert cell_len(chart._options.empty) <= chart.size.width
        await pilot.press("t", "2")
        await until(lambda: app.screen.query(GridView))
        about = app.screen.query_one("#about", Static)
        assert cell_len(str(about.content)) <= about.size.width


async def test_between_two_steps_the_candidates_do_not_begin_to_explain_themselves(session) -> None:
    async with cockpit(session) as (_, app):
        pane = app.query_one(CandidatesPane)
        assert pane.border_title == "candidates: step 2" and not replies(pane)


async def test_a_long_word_on_who_drives_does_not_take_the_steps_place(session) -> None:
    async with cockpit(session, (60, 20)) as (_, app):
        line = app.query_one(StatusLine)
        line.attached = "watching, root@a-host-with-a-name has the controls (c: take)"
        assert "│ watching │" in line.line(session.state) and "step 2/" in line.line(session.state)
        line.attached = "2 screens"
        assert "2 screens" in line.line(session.state) and "step 2/" in line.line(session.state)


@pytest.mark.parametrize(
    ("phase", "waits_for"),
    [("scoring", "the images or texts that it reads"), ("proposing", "the token that it writes")],
)
async def test_what_a_pause_waits_for_is_said(session, phase, waits_for) -> None:
    session.apply(ev.Progress(phase=phase, done=1, total=10))
    async with cockpit(session) as (pilot, app):
        await pilot.press("space")
        await until(lambda: app._notifications)
        (told,) = app._notifications
        assert told.title == "Pausing" and waits_for in told.message


async def test_of_a_pause_that_holds_at_once_nothing_is_said(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("space")
        session.apply(ev.RunPaused(step=2))
        await settle(pilot)
        await pilot.pause(1.0)
        assert not app._notifications

"""Several templates at once: what a list holds is said before, and what came of it in a table."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Label, TextArea

from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import InjectTemplate
from engine.vlm.families import task_of
from glov_tui.cockpit.injecting import sort_out
from glov_tui.cockpit.screens.inject import InjectScreen
from glov_tui.cockpit.screens.injected import InjectedScreen
from glov_tui.widgets.row_table import RowTable
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, scored

SEED = "a photo of a <category>."
ONE, TWO, THREE = "a dim <category>.", "a red <category>.", "a wet <category>."
LIST = (ONE, TWO, "A DIM <category>", SEED, "no placeholder", THREE)


def session(folder: Path) -> HeldSession:
    return HeldSession(folder, *loaded(), *one_step(1, {"a big <category>.": 5}))


def asked(number: int) -> ev.TemplateInjected:
    return ev.TemplateInjected(step=1, template=LIST[number])


def test_each_line_is_new_known_twice_or_wrong(tmp_path: Path) -> None:
    config = load_config("demo")
    found = sort_out(LIST, session(tmp_path).state, "usable", task_of(config.vlm))
    assert found.new == (ONE, TWO, THREE) and found.known == (SEED,)
    assert found.twice == 1 and [number for number, _ in found.wrong] == [5]
    assert found.describe() == (
        "Line 5: the template lacks the placeholder <category>. "
        "3 templates to score, 1 scored already, 1 there twice, 1 can't be."
    )


def typed(app, text: str) -> None:
    app.screen.query_one(TextArea).load_text(text)


def problem(app) -> str:
    return str(app.screen.query_one("#problem", Label).content)


async def test_a_pasted_list_is_sorted_sent_and_followed(tmp_path: Path) -> None:
    held = session(tmp_path)
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        typed(app, "\n".join(LIST))
        await pilot.pause()
        assert "3 templates to score, 1 scored already" in problem(app)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, InjectScreen) and not held.sent
        assert any("Enter once more scores the other 3" in n.message for n in app._notifications)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, InjectedScreen), "the table")
        assert held.sent == [InjectTemplate(text=text) for text in (ONE, TWO, THREE)]
        table = app.screen.query_one(RowTable)
        await until(lambda: len(table.keys) == 4, "a row for each")
        assert "4 injected: 1 scored, 3 wait" in str(table.border_title)
        assert "(scored before)" in table.line(0) and "waits" in table.line(1)
        held.apply(asked(0), scored(ONE, 9, 1, "human"), asked(1))
        await until(lambda: "2 scored, 2 wait" in str(table.border_title), "the first score")
        assert table.line(0).split()[:3] == ["1", "90.0%", "+40.0"]
        held.apply(ev.InjectionRefused(template=TWO, reason="it is too long for the VLM"))
        await until(lambda: "1 refused" in str(table.border_title), "the refusal")
        assert "refused: it is too long for the VLM" in table.line(3)
        held.apply(asked(5), scored(THREE, 3, 1, "human"))
        await until(lambda: "3 scored, 1 refused" in str(table.border_title), "all of it")
        assert [table.line(i).split()[2] for i in range(3)] == ["+40.0", "-10.0", "-20.0"]
        await pilot.press("escape")
        await pilot.pause()
        app.action_injected()
        await until(lambda: isinstance(app.screen, InjectedScreen), "the table again")


async def test_a_list_in_which_nothing_is_new_shows_what_was(tmp_path: Path) -> None:
    held = session(tmp_path)
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        typed(app, f"{SEED}\na big <category>.")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, InjectedScreen), "the table")
        assert not held.sent


async def test_the_templates_of_a_file_are_added(tmp_path: Path) -> None:
    held = session(tmp_path)
    path = tmp_path / "mine.csv"
    path.write_text(f"template,note\n{ONE},x\n{TWO},y\n{ONE},z\n")
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        typed(app, THREE)
        await pilot.pause()
        await pilot.press("f3")
        await pilot.pause()
        await pilot.press(*str(path), "enter")
        await until(lambda: isinstance(app.screen, InjectScreen), "the dialog again")
        area = app.screen.query_one(TextArea)
        await until(lambda: area.text.splitlines() == [THREE, ONE, TWO], "the file's templates")
        assert problem(app) == "3 templates to score."
        await pilot.press("f3")
        await pilot.pause()
        await pilot.press(*"/nowhere", "enter")
        await until(lambda: any("/nowhere" in n.message for n in app._notifications), "why not")
        assert area.text.splitlines() == [THREE, ONE, TWO], "what was typed stays"


def test_what_was_refused_is_kept_over_a_step_that_begins_again(tmp_path: Path) -> None:
    held = session(tmp_path)
    held.apply(ev.StepStarted(step=2), asked(1), ev.InjectionRefused(template=TWO, reason="long"))
    held.apply(ev.RunFailed(message="x"), ev.RunReopened(versions={}))
    assert [normalise(e.template) for e in held.state.not_scored] == [normalise(TWO)]

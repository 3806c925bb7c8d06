"""Several templates at once: what a list holds is said before, and what came of it in a table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.containers import Vertical
from textual.widgets import Label, TextArea

from engine.analysis.pasted import texts_in
from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import InjectTemplate
from engine.run.edits import BanTemplate
from engine.vlm.families import task_of
from glov_tui.cockpit.injecting import MOST, Reader, sort_out
from glov_tui.cockpit.screens.inject import InjectScreen
from glov_tui.cockpit.screens.injected import InjectedScreen
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView
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
    reader = Reader("usable", task_of(config.vlm))
    found = sort_out([*enumerate(LIST, 1)], session(tmp_path).state, reader.read)
    assert found.new == (ONE, TWO, THREE) and found.known == (SEED,)
    assert found.twice == 1 and [number for number, *_ in found.wrong] == [5]
    assert found.describe() == (
        "Line 5: the template lacks the placeholder <category>. "
        "3 templates to score, 1 scored already, 1 there twice, 1 can't be."
    )


def typed(app, text: str) -> None:
    app.screen.query_one(TextArea).load_text(text)


def key_line(app) -> str:
    return " ".join(str(app.screen.query_one(KeyBar).render()).split())


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
        assert "Enter once more scores the other 3" in key_line(app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, InjectedScreen), "the table")
        assert held.sent == [InjectTemplate(text=ONE, more=(TWO, THREE))]
        table = app.screen.query_one(RowTable)
        await until(lambda: len(table.keys) == 5, "a row for each")
        box = app.screen.query_one(Vertical)
        assert "4 injected: 1 scored, 3 wait, 1 can't be, 1 there twice" in str(box.border_title)
        assert "(scored before)" in table.line(0) and "waits" in table.line(1)
        held.apply(asked(0), scored(ONE, 9, 1, "human"), asked(1))
        await until(lambda: "2 scored, 2 wait" in str(box.border_title), "the first score")
        assert table.line(0).split()[:3] == ["1", "90.0%", "+40.0"]
        held.apply(ev.InjectionRefused(template=TWO, reason="it is too long for the VLM"))
        await until(lambda: "1 refused" in str(box.border_title), "the refusal")
        assert "refused" in table.line(3) and "can't be" not in table.line(3)
        await pilot.press("home", "down", "down", "down")
        whole = app.screen.query_one(TextView)
        assert whole.plain == f"Refused: it is too long for the VLM\n{TWO}"
        await pilot.press("home")
        held.apply(asked(5), scored(THREE, 3, 1, "human"))
        await until(lambda: "3 scored, 1 refused" in str(box.border_title), "all of it")
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


async def test_what_an_end_left_says_whether_it_is_in_the_journal(tmp_path: Path) -> None:
    held = session(tmp_path)
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        typed(app, f"{ONE}\n{TWO}")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, InjectedScreen), "the table")
        held.apply(asked(1), ev.RunFailed(message="killed"))
        box = app.screen.query_one(Vertical)
        await until(
            lambda: "2 injected: 0 scored, 2 not scored" in str(box.border_title), "the end"
        )
        table, whole = app.screen.query_one(RowTable), app.screen.query_one(TextView)
        assert [table.line(i).split()[1:3] for i in (0, 1)] == [["not", "taken"], ["not", "yet"]]
        assert "inject it again" in whole.plain
        await pilot.press("down")
        assert "It will be scored when the run is taken up again" in whole.plain


def test_what_was_refused_is_kept_over_a_step_that_begins_again(tmp_path: Path) -> None:
    held = session(tmp_path)
    held.apply(ev.StepStarted(step=2), asked(1), ev.InjectionRefused(template=TWO, reason="long"))
    held.apply(ev.RunFailed(message="x"), ev.RunReopened(versions={}))
    assert [normalise(e.template) for e in held.state.not_scored] == [normalise(TWO)]


PASTED = """\ufeff- a dim <category>.

[
    lambda c: f'a wet {c}.',
    "a red <category>.",
]
1. a Red {category}
a <category> in {mood}
none here"""


async def test_a_paste_is_read_as_people_write_lists(tmp_path: Path) -> None:
    held = session(tmp_path)
    held.apply(ev.Edited(number=1, step=2, edit=BanTemplate(key=normalise(SEED), banned=True)))
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        typed(app, f"{PASTED}\n{SEED}")
        await pilot.pause()
        assert problem(app) == (
            "Line 9: the template lacks the placeholder <category>. 4 templates to score, 1 scored "
            "already (1 banned), 1 there twice, 1 can't be. Line 8: {mood} stays as it is."
        )
        await pilot.press("enter", "enter")
        await until(lambda: isinstance(app.screen, InjectedScreen), "the table")
        rest = ("a wet {c}.", "a red <category>.", "a <category> in {mood}")
        assert held.sent == [InjectTemplate(text="- a dim <category>.", more=rest)]
        table = app.screen.query_one(RowTable)
        await until(lambda: len(table.keys) == 6, "a row for each")
        assert "(scored before, banned)" in table.line(0)
        assert [table.line(i)[20:] for i in (1, 2)] == [ONE, "a wet <category>."]
        assert "line 9" in table.line(5) and "none here" in table.line(5)


def test_json_and_what_only_looks_like_it() -> None:
    assert texts_in('[\n "a {}",\n {"template": "b\\n{}"}]') == [(2, "a {}"), (3, "b {}")]
    assert texts_in("[class] alone\n[1, 2]") == [(1, "[class] alone"), (2, "[1, 2]")]
    assert texts_in("{}\n[\n]\n") == [(1, "{}")]


async def test_a_long_list_never_holds_the_screen_and_a_longer_one_is_refused(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = session(tmp_path)
    lines = [f"a <category> seen from {n} metres." for n in range(MOST)]
    look_at = Reader.look_at
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        with monkeypatch.context() as slow:
            slow.setattr(Reader, "look_at", lambda reader, texts, _: look_at(reader, texts, 0.0))
            typed(app, "\n".join(lines))
            await pilot.pause()
            assert problem(app).startswith("Reading 1,000 lines: ")
            await pilot.press("enter")
            assert isinstance(app.screen, InjectScreen) and not held.sent
        typed(app, "\n".join([*lines, "one more"]))
        await pilot.pause()
        await pilot.press("enter", "enter")
        assert problem(app) == "1,001 lines: at most 1,000 templates can be injected at once."
        assert isinstance(app.screen, InjectScreen) and not held.sent
        typed(app, "\n".join(lines[:40]))
        await until(lambda: problem(app) == "40 templates to score.", "all of them read")


async def test_what_is_no_file_of_templates_is_said(tmp_path: Path) -> None:
    held = session(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long.txt").write_text("".join(f"a <category> {n}\n" for n in range(MOST + 1)))
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    async with cockpit(held) as (pilot, app):
        await pilot.press("i")
        screen = app.screen
        typed(app, ONE)
        for name, why in {
            "pipe": "a device or a pipe",
            "long.txt": "has 1,001 templates",
            "binary.txt": "can't be read",
            "": "can't be read",
        }.items():
            screen._add(str(tmp_path / name))
            await pilot.pause()
            assert why in key_line(app), name
        assert screen.query_one(TextArea).text == ONE


async def test_what_a_template_is_read_as_is_shown(tmp_path: Path) -> None:
    async with cockpit(session(tmp_path)) as (pilot, app):
        await pilot.press("i")
        for line, said in {
            ONE: "Can be scored.",
            "- a dim {c}.": f"Can be scored, as: {ONE}",
            "a <category>, [adjective]": "Can be scored. [adjective] stays as it is.",
        }.items():
            typed(app, line)
            await pilot.pause()
            assert problem(app) == said

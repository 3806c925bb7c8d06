"""Keys that come in one read: each is obeyed before the next one is handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.events import Key, MouseMove, Paste
from textual.widgets import Input

from engine.config.toml_file import load_config
from engine.run.commands import Command, InjectTemplate, MakeEdit, StepOnce, WriteNote
from engine.run.edits import SetOption
from engine.vlm.families import task_of
from glov_tui.cockpit.screens.export import ExportScreen
from glov_tui.cockpit.screens.help import HelpScreen
from glov_tui.cockpit.screens.inject import InjectScreen
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """A run after one step."""
    return HeldSession(tmp_path / "run", *loaded(), *one_step(1, {"a <category>": 5}))


def at_once(app: Any, *keys: str) -> None:
    """As a driver hands on what it has read: all of it before any of it is obeyed."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))


def is_open(app: Any, screen: type) -> bool:
    return any(type(shown) is screen for shown in app.screen_stack)


def holds(app: Any, text: str) -> bool:
    """Whether a field on top holds a text; a screen may be there before its fields are."""
    return any(
        (field.value if isinstance(field, Input) else field.text) == text
        for field in app.screen.query("Input, TextArea")
    )


async def test_a_dialog_is_opened_filled_and_sent_in_one_read(session: HeldSession) -> None:
    async with cockpit(session) as (_, app):
        at_once(app, "i", *"the <category>", "enter")
        await until(lambda: bool(session.sent), "the injection")
        assert session.sent == [InjectTemplate(text="the <category>")]
        assert not is_open(app, InjectScreen)


async def test_a_field_of_a_dialog_is_emptied_and_filled_in_one_read(session: HeldSession) -> None:
    async with cockpit(session) as (_, app):
        at_once(app, "x", "tab", "ctrl+u", *"/nowhere/at all")
        await until(lambda: is_open(app, ExportScreen), "the dialog")
        await until(lambda: holds(app, "/nowhere/at all"), "the path")


async def test_a_dialog_is_left_and_another_opened_in_one_read(session: HeldSession) -> None:
    async with cockpit(session) as (_, app):
        for _ in range(20):  # what closes takes its own queue with it
            at_once(app, "question_mark", "escape", "i", "x", "escape", "x", "escape")
        at_once(app, "question_mark")
        await until(lambda: is_open(app, HelpScreen), "the help")
        assert len(app.screen_stack) == 2


PROMPT = task_of(load_config("demo").vlm).system_prompt
NOTED = WriteNote(text="dim", template="a <category>", author="ada")
DIMMER = MakeEdit(edit=SetOption(key="proposal.system_prompt", value=f"dim {PROMPT}"))
COOLER = MakeEdit(edit=SetOption(key="sampling.temperature", value=0.5))
TO_TEMPERATURE = ["down"] * 5


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        pytest.param(["a", *"dim"], NOTED, id="note"),
        pytest.param(["e", *"dim "], DIMMER, id="editor"),
        pytest.param(["o", *TO_TEMPERATURE, "end", "ctrl+u", *"0.5"], COOLER, id="options"),
    ],
)
async def test_what_is_saved_in_the_same_read_is_all_that_was_typed(
    session: HeldSession, monkeypatch: pytest.MonkeyPatch, keys: list[str], sent: Command
) -> None:
    """The key that saves is the dialog's, while letters before it are on their way to a field."""
    monkeypatch.setenv("GLOV_AUTHOR", "ada")
    async with cockpit(session) as (_, app):
        at_once(app, *keys, "ctrl+s")
        await until(lambda: len(app.screen_stack) > 1, "the dialog")
        await until(lambda: len(app.screen_stack) == 1, "that it is saved")
    assert session.sent == [sent]


async def test_a_path_that_is_taken_in_the_same_read_is_whole(
    session: HeldSession, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("a dim <category>\n")
    async with cockpit(session) as (_, app):
        at_once(app, "i", "f3", *str(tmp_path / "mine.txt"), "enter")
        await until(lambda: holds(app, "a dim <category>"), "what is in the file")


async def test_what_is_pasted_between_keys_stays_between_them(session: HeldSession) -> None:
    async with cockpit(session) as (_, app):
        at_once(app, "i", "a", " ")
        app.post_message(Paste("<category> "))
        at_once(app, "b")
        await until(lambda: is_open(app, InjectScreen), "the dialog")
        await until(lambda: holds(app, "a <category> b"), "all of it")


async def test_the_mouse_stays_behind_the_keys(session: HeldSession) -> None:
    async with cockpit(session) as (_, app):
        at_once(app, "i", "a")
        moved = MouseMove(None, 3, 4, 0, 0, 0, False, False, False)
        app.post_message(moved)
        at_once(app, "b")
        await until(lambda: is_open(app, InjectScreen), "the dialog")
        await until(lambda: holds(app, "ab"), "the letters")
        assert moved.is_forwarded


async def test_the_key_that_closes_a_dialog_counts_once_however_often_it_comes(
    session: HeldSession,
) -> None:
    async with cockpit(session) as (pilot, app):
        at_once(app, "q", "n", "n", "n", "i")  # n stays in the run; behind it would be a step
        await until(lambda: is_open(app, InjectScreen), "the dialog of what came after")
        assert session.sent == []
        await pilot.press("escape", "n")
        await until(lambda: session.sent == [StepOnce()], "a step, asked for by itself")

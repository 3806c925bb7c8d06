"""The person's own file: keys and theme; what is wrong in it is said, and is no crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from engine.run.commands import Pause, StepOnce
from glov_tui.cockpit.keys import KEYS, PAST_KEYS, with_ids
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.cockpit.screens.help import HelpScreen
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the person's own files."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(folder))
    return folder


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """A run with templates."""
    return HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7, "an old <category>.": 5}, BEST))


def write(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text, encoding="utf-8")


def said(app) -> str:
    return str(app.query_one(KeyBar).render())


async def test_keys_of_the_file_work_and_are_shown_as_bound(folder, session) -> None:
    write(folder, '[keys]\nstep-once = "."\npause = ["ctrl+s", "f7"]\nedit = "i"\ninject = "e"\n')
    async with cockpit(session) as (pilot, app):
        keys = said(app)
        assert ". One step" in keys and "i Edit" in keys and "e Inject" in keys
        assert "n One step" not in keys
        await pilot.press("n", "space")
        assert session.sent == []
        await pilot.press(".", "f7")
        assert session.sent == [StepOnce(), Pause()]
        await pilot.press("e")
        assert type(app.screen).__name__ == "InjectScreen"
        await pilot.press("escape", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = app.screen.query_one(TextView).plain
        assert ".  Run to the end of one step" in text
        assert "^s, f7  Pause within one token" in text.replace("ctrl+s", "^s")
        titles = [command.title for command in app.get_system_commands(app.screen_stack[0])]
        assert "One step (.)" in titles


async def test_sentences_say_the_keys_as_bound(folder, session) -> None:
    names = "find find-next find-before note tell-away test inject help details-beside history"
    keys = dict(zip(names.split(), (f"f{n}" for n in range(3, 13)), strict=True))
    write(folder, "[keys]\n" + "".join(f'{name} = "{key}"\n' for name, key in keys.items()))
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("6", "f3", *"s")
        hint = app.query_one("#find-keys", Static)
        assert "f4 and f5" in str(hint.render())
        await pilot.press("enter")
        assert "f4 next   f5 before   f3 other" in str(hint.render())
        await pilot.press("escape", "f11")
        assert "(f11 closes)" in app.query_one("#beside").border_title
        about = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert "(f9)" in about["Injected templates"] and "All notes (f6, f2)" in about
        await pilot.press("f10")
        text = app.screen.query_one(TextView).plain
        for words in ("note on it (f6)", "when away (f7)", "asked for (f8)"):
            assert words in text
    async with cockpit(session, (60, 20)) as (_, app):
        assert "(f10)" in said(app)


async def test_the_palette_names_the_screen_that_is_open(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        for key, name in (("S", "Steering over time"), ("M", "Machine")):
            await pilot.press(key)
            titles = [command.title for command in app.get_system_commands(app.screen)]
            assert f"{name}: Back (esc)" in titles
            assert not any(title.startswith("Lab:") for title in titles)
            await pilot.press("escape")


async def test_a_key_is_shown_once_for_what_it_does_first(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("C", "slash", *"steps", "enter")
        keys = str(app.screen.query_one(KeyBar).render())
        assert "esc End search" in keys and "esc Close" not in keys
        await pilot.press("escape")
        assert "esc Close" in str(app.screen.query_one(KeyBar).render())


@pytest.mark.parametrize(
    ("written", "pressed"),
    [("shift+e", "E"), ("E", "E"), ("shift+ctrl+f7", "ctrl+shift+f7"), ("CTRL+e", "ctrl+e")],
)
async def test_a_key_is_what_terminals_send_for_it(folder, session, written, pressed) -> None:
    write(folder, f'[keys]\nexport = "{written}"\n')
    async with cockpit(session) as (pilot, app):
        await pilot.press(pressed)
        assert type(app.screen).__name__ == "ExportScreen"


async def test_a_key_that_was_shared_stays_where_it_was(folder, session) -> None:
    """n is one step, and while a search is open the next place."""
    write(folder, '[keys]\nstep-once = "."\n')
    async with cockpit(session) as (pilot, app):
        await pilot.press("slash", *"old", "enter", "escape", "6", "slash", *"s", "enter")
        log = app.query_one("#log")
        before = log._hit
        await pilot.press("n")
        assert log._hit == before + 1 and session.sent == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[keys]\nstep-onec = "."', ("line 2", "step-onec", "did you mean step-once?")),
        ('[keys]\n\nexport = "e"', ("line 3", "e is the key of edit", "export keeps x")),
        ('[keys]\nexport = "."\nfork = "."', ("line 3", "fork", "key of export")),
        ('[keys]\nexport = "s"', ("line 2", "s has a meaning in the pane of the templates")),
        ('[keys]\nexport = "4"', ("line 2", "goes to a pane")),
        ('[keys]\nexport = "spcae"', ("line 2", "no key 'spcae'")),
        ('[keys]\npause = "tab"', ("line 2", "tab goes from field to field")),
        ('[keys]\npause = "ctrl+q"', ("line 2", "ctrl+q leaves the cockpit")),
        ('[keys]\nwhy = "ctrl+m"', ("line 2", "ctrl+m is enter in a terminal")),
        ('[keys]\nfork = "Ctrl+I"', ("line 2", "Ctrl+I is tab in a terminal")),
        ('[keys]\nnote = "shift+a"', ("line 2", "A is the key of tell-away", "keeps a")),
        ('[keys]\nnote = "shift+1"', ("line 2", "no key 'shift+1'")),
        ('[keys]\nexport = "hyperctrl+x"', ("line 2", "no key")),
        ("[keys]\nexport = 7", ("line 2", "found 7")),
        ('[keys]\nexport = ""', ("line 2", "no key ''")),
        ("[keys]\nexport = []", ("line 2", "found []")),
        ('[screen]\ntheme = "glow"', ("line 2", "glow", 'did you mean "glov"?')),
        ("[screen]\ntheme = 3", ("line 2", "no theme 3")),
        ('[screen]\nthema = "glov"', ("line 2", "thema", "there is theme")),
        ('[keyz]\na = "b"', ("[keyz]", "[keys]")),
        ('[keys\nexport = "."', ("line 1", "no valid TOML")),
        ("keys = 3", ("keys is a table",)),
        ('[keys]\nexport = "\x1b"', ("control character",)),
    ],
)
async def test_what_is_wrong_is_said_with_its_place(folder, session, text, words) -> None:
    write(folder, text)
    async with cockpit(session, (200, 50)) as (pilot, app):
        notice = said(app)
        for word in ("config.toml", *words):
            assert word in notice.replace("\n", " "), notice
        assert "\x1b" not in notice
        app.clear_notifications()
        await pilot.press("n")  # all else is as it was
        assert session.sent == [StepOnce()]


async def test_the_rest_of_a_file_holds(folder, session) -> None:
    write(folder, '[screen]\ntheme = "high-contrast"\n[keys]\nwrong = "."\nexport = "."\n')
    async with cockpit(session) as (pilot, app):
        assert app.theme == "high-contrast"
        await pilot.press("full_stop")
        assert type(app.screen).__name__ == "ExportScreen"


async def test_a_theme_that_is_chosen_is_remembered(folder, session) -> None:
    async with cockpit(session) as (pilot, app):
        assert app.theme == "glov"
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press("escape")
        app.theme = "colour-blind-red-green"  # as the palette does
        await pilot.pause()
    async with cockpit(session) as (_, app):
        assert app.theme == "colour-blind-red-green"
    (folder / "theme.txt").write_bytes(b"\xff\x00 no theme")
    async with cockpit(session) as (_, app):
        assert app.theme == "glov"


async def test_a_file_of_the_person_is_never_written(folder, session) -> None:
    write(folder, '[screen]\ntheme = "nord"  # mine\n')
    async with cockpit(session, (200, 50)) as (pilot, app):
        app.theme = "gruvbox"
        await pilot.pause()
        assert "for this screen only" in said(app)
    assert (folder / "config.toml").read_text() == '[screen]\ntheme = "nord"  # mine\n'
    async with cockpit(session) as (_, app):
        assert app.theme == "nord"


async def test_where_nothing_can_be_written_it_is_said(folder, session) -> None:
    (folder / "theme.txt").mkdir()
    async with cockpit(session, (200, 50)) as (pilot, app):
        app.theme = "gruvbox"
        await pilot.pause()
        assert "can't be remembered" in said(app) and app.theme == "gruvbox"


async def test_lists_of_runs_begin_in_the_theme_of_the_person(
    folder, tmp_path, monkeypatch
) -> None:
    """And a run that is opened there keeps it."""
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "runs"))
    write(folder, '[screen]\ntheme = "glov-light"\n[keys]\nstep-once = "."\n')
    async with HomeApp(HomeMemory()).run_test() as pilot:
        assert pilot.app.theme == "glov-light"
    write(folder, '[screen]\ntheme = "glow"\n')
    (folder / "theme.txt").write_text("high-contrast\n")
    async with HomeApp(HomeMemory()).run_test() as pilot:
        assert pilot.app.theme == "high-contrast"


async def test_every_action_can_have_a_key_of_its_own(folder, session) -> None:
    """Each name is one action: no two of them are moved to one key."""
    bindings = [key for key in with_ids([*PAST_KEYS, *KEYS]) if key.id is not None]
    letters = (chr(code) for code in range(ord("\N{CYRILLIC SMALL LETTER A}"), 0x500))
    keys = dict(zip({key.id: None for key in bindings}, letters, strict=False))
    write(folder, "[keys]\n" + "".join(f'{name} = "{key}"\n' for name, key in keys.items()))
    async with cockpit(session, (200, 50)) as (pilot, app):
        assert app._settings.problems == ()
        for key in ("space", "less_than_sign", *"neibofwCDgSMxPNHa"):
            await pilot.press(key)
        assert session.sent == [] and len(app.screen_stack) == 1
        await pilot.press(keys["step-once"], keys["help"])
        assert session.sent == [StepOnce()]
        text = app.screen.query_one(TextView).plain
        for binding in bindings:
            if binding.id != "pause":  # play, pause and go on are one key
                assert f"{keys[binding.id]}  {binding.tooltip}"[:30] in text, binding
        assert "Cancel; Cancel" not in text


OPENED = ["machine", "steering-over-time", "lab", "configuration", "why", "help"]


@pytest.mark.parametrize("name", OPENED)
async def test_the_key_that_opens_a_screen_closes_it_as_bound(folder, session, name) -> None:
    write(folder, f'[keys]\n{name} = ["f4", "ctrl+t"]\n')
    async with cockpit(session) as (pilot, app):
        for opens, closes in (("f4", "f4"), ("ctrl+t", "f4"), ("f4", "ctrl+t")):
            await pilot.press(opens)
            await until(lambda: len(app.screen_stack) == 2, "the screen")
            assert name == app.screen.OPENED_BY
            await until(lambda: app.screen.is_mounted, "its keys")
            await pilot.press(closes)
            await until(lambda: len(app.screen_stack) == 1, "the cockpit")


async def test_what_a_key_does_on_a_screen_comes_before_that_it_closes_it(folder, session) -> None:
    write(folder, '[keys]\nconfiguration = "Y"\n')
    async with cockpit(session) as (pilot, app):
        await pilot.press("Y")
        await until(lambda: len(app.screen_stack) == 2, "the configuration")
        await pilot.press("Y")
        assert len(app.screen_stack) == 2 and "Copied all" in str(
            app.screen.query_one(KeyBar).render()
        )
        await pilot.press("escape")
        assert len(app.screen_stack) == 1

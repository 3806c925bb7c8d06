"""Every action of the cockpit, driven by keys through Pilot."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.events import Key, Paste
from textual.widgets import Input, TextArea

import glov_tui
from engine.config.editable import with_option
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import InjectTemplate, MakeEdit, Pause, Resume, StepOnce, Stop, UndoEdit
from engine.run.edits import BanTemplate, ChooseAnchors, PinTemplate, SetNextPrompt, SetOption
from engine.storage.journal import read_state
from glov_tui.cockpit.all_keys import key_groups
from glov_tui.cockpit.going import Around
from glov_tui.cockpit.keys import KEYS
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.ending import EndingLine
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.cockpit.panes.registry import PANES
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.cockpit.screens.editor import EditorScreen
from glov_tui.cockpit.screens.help import HelpScreen
from glov_tui.cockpit.screens.inject import InjectScreen
from glov_tui.cockpit.screens.options import OptionsScreen
from glov_tui.cockpit.screens.question import QuestionScreen
from glov_tui.common.glyphs import UNICODE
from glov_tui.widgets import key_bar
from glov_tui.widgets.hbars import HBars
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from tests.support.patience import until
from tests.support.sessions import (
    BEST,
    HeldSession,
    cockpit,
    edits,
    loaded,
    one_step,
    scored,
    settle,
)

SEED = normalise("a photo of a <category>.")
OTHER = "a <category> at night."


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    return HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7, OTHER: 3}, BEST))


async def test_the_engine_starts_after_the_first_paint(session) -> None:
    async with cockpit(session):
        assert session.started


async def test_all_panes_show_the_run(session) -> None:
    async with cockpit(session) as (_, app):
        assert "Best so far at step 1" in app.query_one(MetaPromptPane).plain
        table = app.query_one(RowTable)
        assert list(table.keys) == [normalise(BEST), SEED, normalise(OTHER)]
        assert BEST in app.query_one(CandidatesPane).plain
        assert "new best 70.0%" in app.query_one(LogPane).plain
        line = app.query_one(StatusLine).line(session.state)
        assert "step 1/20" in line and "best 70.0% (+30.0)" in line
        chart = app.query_one(AccuracyPane)
        assert [s.name for s in chart._series] == [
            "best",
            "step's best",
            "step's mean",
            "seed",
            "seed test",
        ]
        assert len(app.query_one(HBars)._bars) == 6


async def test_space_pauses_and_goes_on(session) -> None:
    async with cockpit(session) as (pilot, _):
        await pilot.press("space")
        assert session.sent[-1] == Pause()
        session.apply(ev.RunPaused(step=1))
        await settle(pilot)
        await pilot.press("space", "n")
        assert session.sent[-2:] == [Resume(), StepOnce()]


async def test_layer_alpha_and_mode_keys_make_edits(session) -> None:
    async with cockpit(session) as (pilot, _):
        await pilot.press("left_square_bracket", "right_square_bracket", "plus", "minus", "m")
    assert edits(session) == [
        SetOption(key="steering.layers", value=[2]),
        SetOption(key="steering.layers", value=[3]),
        SetOption(key="steering.alpha", value=0.75),
        SetOption(key="steering.alpha", value=0.5),
        SetOption(key="steering.mode", value="generated-tokens"),
    ]


async def test_quick_presses_count_on_what_was_asked_for(session) -> None:
    async with cockpit(session) as (pilot, _):
        await pilot.press("plus", "plus", "plus", "plus", "u", "u", "minus", "p", "p")
        await pilot.press(*["right_square_bracket"] * 3)
        assert [type(command) for command in session.sent] == [
            *[MakeEdit] * 4,
            *[UndoEdit] * 2,
            *[MakeEdit] * 5,  # three layers up, but there are six
        ]
        changes = [(e.key, getattr(e, "value", None)) for e in edits(session)]
        alphas = [value for key, value in changes if key == "steering.alpha"]
        assert alphas == [0.75, 1.0, 1.25, 1.5, 0.75]
        pins = [e.pinned for e in edits(session) if isinstance(e, PinTemplate)]
        assert pins == [True, False]
        assert [v for k, v in changes if k == "steering.layers"] == [[4], [5]]
        # The engine obeys, slowly: nothing counts twice.
        for number, alpha in enumerate(alphas[:2], 1):
            edit = SetOption(key="steering.alpha", value=alpha)
            session.apply(ev.Edited(number=number, step=2, edit=edit))
        await pilot.press("plus")
        assert edits(session)[-1] == SetOption(key="steering.alpha", value=1.0)


async def test_edits_build_on_those_that_wait(session) -> None:
    waiting = ev.Edited(number=1, step=2, edit=SetOption(key="steering.alpha", value=2.0))
    session.apply(waiting)
    async with cockpit(session) as (pilot, app):
        await pilot.press("plus")
        settings = str(app.query_one("#steering-settings").content)
        assert "alpha 0.5" in settings and "alpha 2 from step 2 on" in settings
        assert app.query_one(MetaPromptPane).border_subtitle == "1 edit from step 2 on"
    assert edits(session) == [SetOption(key="steering.alpha", value=2.25)]


async def test_pin_ban_and_anchors_act_on_the_selected_row(session) -> None:
    async with cockpit(session) as (pilot, _):
        await pilot.press("down", "p", "b", "P", "N", "H")
    assert edits(session) == [
        PinTemplate(key=SEED, pinned=True),
        BanTemplate(key=SEED, banned=True),
        ChooseAnchors(positive=SEED, negative=normalise(OTHER)),  # the ban has moved it
        ChooseAnchors(positive=normalise(BEST), negative=SEED),
        ChooseAnchors(positive=None, negative=None),
    ]


async def test_undo(session) -> None:
    async with cockpit(session) as (pilot, _):
        await pilot.press("u")
    assert session.sent == [UndoEdit()]


async def test_inject_says_what_is_wrong_and_keeps_the_text(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("i")
        await pilot.press(*"no slot", "enter")
        assert isinstance(app.screen, InjectScreen)
        area, said = app.screen.query_one(TextArea), app.screen.query_one("#problem")
        assert area.text == "no slot"
        assert str(said.content) == "The template lacks the placeholder <category>."
        area.text = "my <category>."
        session.apply(*one_step(2, {"another <category>": 5}))
        await settle(pilot)
        assert area.text == "my <category>."  # redraws leave it alone
        await pilot.press("enter")
    assert session.sent == [InjectTemplate(text="my <category>.")]


async def test_inject_begins_with_the_selected_template_which_typing_replaces(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("down", "down", "i")
        assert app.screen.query_one(TextArea).text == OTHER
        await pilot.press("end", "backspace", *"!", "enter", "i", *"its <category>", "enter")
    assert session.sent == [
        InjectTemplate(text=OTHER[:-1] + "!"),
        InjectTemplate(text="its <category>"),
    ]


async def test_several_lines_are_several_templates(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("i", *"a <category>", "ctrl+j", *"bad")
        assert str(app.screen.query_one("#problem").content).startswith("Line 2: the template")
        await pilot.press("enter")
        assert not session.sent
        app.screen.query_one(TextArea).text = ""
        app.post_message(Paste("one <category>.\n\n  two <category>.\n"))
        await pilot.pause()
        await pilot.press("enter")
    assert session.sent == [InjectTemplate(text="one <category>.", more=("two <category>.",))]


async def test_what_came_of_an_injected_template_is_seen(session, monkeypatch) -> None:
    async with cockpit(session) as (pilot, app):
        told: list[str] = []  # a notice itself is gone after seconds
        notify = app.notify
        monkeypatch.setattr(
            app, "notify", lambda *a, **k: (told.append(k.get("title", "")), notify(*a, **k))
        )
        await pilot.press("i", *"my <category>.", "enter")
        session.apply(scored("my <category>.", 5, 1, "human"))
        await settle(pilot)
        table = app.query_one(RowTable)
        await until(lambda: table.selected_key == "my <category>")
        await until(lambda: "Injected: rank 2" in told)
        await pilot.press("i", *OTHER, "enter")
        await until(lambda: table.selected_key == normalise(OTHER))
        await until(lambda: "Repeats rank 4" in told)


@pytest.mark.parametrize(
    ("keys", "twice"),
    [
        pytest.param(["i"], "enter", id="inject"),
        pytest.param(["o"], "ctrl+s", id="options"),
        pytest.param(["e"], "ctrl+s", id="editor"),
        pytest.param(["question_mark"], "q", id="help"),
        pytest.param(["enter"], "enter", id="details"),
        pytest.param(["q"], "n", id="question"),
        pytest.param(["f"], "escape", id="fork"),
        pytest.param(["x"], "escape", id="export"),
        pytest.param(["t"], "t", id="lab"),
    ],
)
async def test_a_dialog_is_left_once_however_keys_come(session, keys, twice) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press(*keys)
        assert len(app.screen_stack) == 2
        for _ in range(3):  # in one read, as on a slow line or in a paste
            app.post_message(Key(twice, twice if len(twice) == 1 else None))
        await pilot.pause()
        await pilot.pause()
        assert app.is_running and app._exception is None
        if len(app.screen_stack) == 2:  # a key that opens it as well came once more
            await pilot.press("escape")
        assert len(app.screen_stack) == 1
    assert len(session.sent) <= 1


async def test_a_person_is_told_at_once_what_an_injected_template_lacks(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("i")
        app.screen.query_one(TextArea).text = "my <category>."
        await pilot.press("enter")
        session.apply(ev.Warned(message="template refused: too \x1b[31m long"))
        refused = await until(lambda: [n for n in app._notifications if "refused" in n.message])
        assert [n.message for n in refused] == ["template refused: too \ufffd[31m long"]


async def test_notes_on_candidates_are_shown(session) -> None:
    note = "the VLM reads 77 tokens of a text: cut for 3 of 16 classes"
    events = one_step(2, {"another <category>": 5})
    noted = [
        e.model_copy(update={"note": note}) if isinstance(e, ev.CandidateProposed) else e
        for e in events
    ]
    async with cockpit(session) as (pilot, app):
        session.apply(*noted)
        pane = app.query_one(CandidatesPane)
        pane.show(session.state)
        await settle(pilot)
        assert f"another <category> ({note})" in pane.plain


async def test_the_editor_makes_one_edit_for_each_changed_text(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        assert isinstance(app.screen, EditorScreen)
        app.screen.query_one("#text-system", TextArea).text = "Be brief."
        app.screen.query_one("#text-task", TextArea).text = "Name the light."
        shown = app.screen.query_one("#text-next", TextArea)
        assert BEST in shown.text
        shown.text = "--- system ---\nS\n\n--- user ---\nU <category>"
        await pilot.press("ctrl+s")
    assert edits(session) == [
        SetOption(key="proposal.system_prompt", value="Be brief."),
        SetOption(key="proposal.task", value="Name the light."),
        SetNextPrompt(system="S", user="U <category>"),
    ]


async def test_the_editor_shows_what_the_best_confuses(undisturbed: Path) -> None:
    """As the next meta-prompt will say it, but for a text that was typed into already."""
    state = read_state(undisturbed)
    assert state.config is not None
    told = with_option(state.config, "proposal.confusions", 2)
    session = HeldSession(undisturbed)
    session.state = replace(state, config=told, status="paused")
    line = "The best template still takes "
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        screen = app.screen
        assert isinstance(screen, EditorScreen)
        await until(lambda: line in screen._text("next"))
        typed = f"mine. {screen._text('next')}"
        screen.query_one("#text-next", TextArea).text = typed
        screen._take_confusions(())
        assert screen._text("next") == typed
        screen.query_one("#text-next", TextArea).text = screen._originals["next"]
        await pilot.press("escape")
        assert len(app.screen_stack) == 1  # nothing was changed
    assert not session.sent


async def test_an_editor_that_is_left_unchanged_makes_no_edit(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e", "ctrl+s")
        assert len(app.screen_stack) == 1
    assert not session.sent


async def test_leaving_the_editor_asks_before_typed_text_is_lost(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        await pilot.press("x", "escape")
        assert isinstance(app.screen, QuestionScreen)
        await pilot.press("n")
        assert isinstance(app.screen, EditorScreen)
        await pilot.press("escape", "y")
        await pilot.pause()
        assert len(app.screen_stack) == 1
    assert not session.sent


async def test_keys_right_behind_f6_go_into_the_next_text(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        await pilot.pause()
        before = app.screen._text("task")
        for key in ("f6", "S", "A", "Y"):  # in one burst, as a paste or a slow line delivers them
            app.post_message(Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert app.screen._text("task") == f"SAY{before}"
        assert "SAY" not in app.screen._text("system")


async def test_text_typed_while_no_text_has_the_focus_is_not_lost(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        await pilot.pause()
        before = app.screen.shown.text
        app.screen.set_focus(None)
        await pilot.press("S", "A", "Y")
        assert app.screen.shown.text == f"SAY{before}"
        assert app.screen.focused is app.screen.shown


async def test_undo_within_the_editor(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        before = app.screen.shown.text
        await pilot.press("Z", "ctrl+z")
        assert app.screen.shown.text == before


async def test_options_are_checked_before_any_edit_is_made(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("o")
        assert isinstance(app.screen, OptionsScreen)
        app.screen.query_one("#sampling-temperature", Input).value = "0.7"
        app.screen.query_one("#sampling-top-p", Input).value = "7"
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, OptionsScreen)
        assert not session.sent
        app.screen.query_one("#sampling-top-p", Input).value = "0.8"
        app.screen.query_one("#steering-layers", Input).value = "[1, 2]"
        await pilot.press("ctrl+s")
    assert edits(session) == [
        SetOption(key="sampling.temperature", value=0.7),
        SetOption(key="sampling.top_p", value=0.8),
        SetOption(key="steering.layers", value=[1, 2]),
    ]


async def test_enter_shows_a_template_in_full(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("enter")
        assert isinstance(app.screen, DetailsScreen)
        text = app.screen.query_one("TextView").plain
        assert f'Here: "{BEST}"' in text and "7 of 10 training images" in text
        assert "cup" in text and "bell" in text
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_filter_and_sort(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("slash", *"night")
        table = app.query_one(RowTable)
        assert list(table.keys) == [normalise(OTHER)]
        await pilot.press("enter", "escape")
        assert len(table.keys) == 3
        await pilot.press("s")
        assert "by newest" in app.query_one(ExamplesPane).border_title
        assert table.keys[0] == normalise(BEST)


async def test_the_cursor_stays_on_its_template_when_ranks_change(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("down")
        session.apply(*one_step(2, {"a better <category>": 9}))
        await settle(pilot)
        assert len(app.query_one(RowTable).keys) == 4
        assert app.query_one(ExamplesPane).selected_key == SEED


async def test_a_new_best_is_announced_once_and_a_tie_is_not(session) -> None:
    async with cockpit(session) as (pilot, app):
        assert not app._notifications  # what was found before the screen was there is no news
        session.apply(*one_step(2, {"a better <category>.": 9}))
        await settle(pilot)
        session.apply(*one_step(3, {"as good a <category>.": 9}))
        await settle(pilot)
        assert [(n.title, n.message) for n in app._notifications] == [
            ("New best", "90.0% a better <category>.")
        ]


def every_key() -> set[tuple[str, str]]:
    """Key and meaning of every binding of every class of the cockpit's own.

    The fleet of a sweep is an app of its own, with few keys, which its last line shows.
    """
    found = set()
    for module in pkgutil.walk_packages(glov_tui.__path__, "glov_tui."):
        if module.name.startswith("glov_tui.cockpit.fleet"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and kind.__module__.startswith("glov_tui"):
                for binding in kind.__dict__.get("BINDINGS", ()):
                    found.add((binding.key, binding.tooltip or binding.description))
    return found


async def test_help_has_every_key_and_symbol(session) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        await pilot.press("question_mark")
        shown = {
            (key.key, key.tooltip or key.description) for _, keys in key_groups() for key in keys
        }
        assert every_key() <= shown
        text = " ".join(app.screen.query_one("TextView").plain.split())
        for _, about in shown:
            assert about.split()[0] in text
        for sign in (*UNICODE.states.values(), UNICODE.pinned, UNICODE.layer, "P+", "P-", "›", "▸"):
            assert sign.strip() in text


async def test_help_is_filtered(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("question_mark", "slash", *"alpha lower")
        text = app.screen.query_one("TextView").plain
        assert "Lower alpha" in text and "Pause" not in text
        await pilot.press("escape")
        assert "Pause within" in app.screen.query_one("TextView").plain
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_the_footer_says_how_many_keys_did_not_fit(session) -> None:
    for width in (60, 80, 200):
        async with cockpit(session, (width, 40)) as (_, app):
            text = str(app.query_one(KeyBar).content)
            shown = {
                b.binding.action: b.binding.description
                for b in app.screen.active_bindings.values()
                if b.enabled and b.binding.show
            }
            missing = [about for about in shown.values() if f" {about} " not in text]
            assert (f"+{len(missing)} (?)" in text) == bool(missing) == (width < 200)
            assert cell_len(text) <= width


async def test_every_action_is_in_the_command_palette_with_its_key(session) -> None:
    async with cockpit(session) as (_, app):
        app.around = Around("a test", (Path("before"), Path("next")))  # there are other runs
        titles = {command.title for command in app.get_system_commands(app.screen)}
        hidden = lambda b: b.action == "pane" or b.action.endswith("_controls")  # noqa: E731
        wanted = {f"{b.description} ({app.get_key_display(b)})" for b in KEYS if not hidden(b)}
        assert wanted <= titles
        assert "Theme" in titles


async def test_notices_are_on_the_line_of_the_keys(session) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        bar = app.query_one(KeyBar)
        panes = app.query_one("#panes").region
        app.notify("what [b]happened[/b]", title="News", timeout=60)
        await pilot.pause()
        assert not app.screen.query("Toast")
        assert str(bar.content) == "News  what [b]happened[/b]" and bar.size.height == 1
        assert app.query_one("#panes").region == panes
        await pilot.press("question_mark")  # the dialog's own line is the one that is read
        app.notify("more", severity="error", timeout=60)
        await pilot.pause()
        assert str(app.screen.query_one(KeyBar).content) == "more"
        app.clear_notifications()
        await pilot.pause()
        assert "Close" in str(app.screen.query_one(KeyBar).content)


async def test_a_key_brings_the_keys_back_once_a_notice_was_read(session, monkeypatch) -> None:
    async with cockpit(session) as (pilot, app):
        bar = app.query_one(KeyBar)
        app.notify("all is done", title="Finished", timeout=60)
        monkeypatch.setattr(key_bar, "READ_SECONDS", 1e9)
        await pilot.press("down")
        assert "all is done" in str(bar.content)
        monkeypatch.setattr(key_bar, "READ_SECONDS", 0.0)
        await pilot.press("down")
        assert "Quit" in str(bar.content)
        await pilot.press("y")  # what a key has to say comes after it
        assert "Copied" in str(bar.content)


async def test_the_screen_is_written_into_the_run_s_folder_or_it_says_why_not(session) -> None:
    async with cockpit(session) as (pilot, app):
        app.action_screenshot("one.svg")
        await pilot.pause()
        assert "<svg" in (session.folder / "one.svg").read_text()
        assert "one.svg" in str(app.query_one(KeyBar).content)
        session.folder = session.folder / "gone" / "away"
        app.deliver_screenshot("two.svg")
        await pilot.pause()
        assert "away/two.svg: No such file" in str(app.query_one(KeyBar).content)


async def test_quitting_asks_while_the_run_is_under_way(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("q")
        assert isinstance(app.screen, QuestionScreen)
        await pilot.press("n")
        assert not session.sent
        await pilot.press("q", "s")
        assert session.sent == [Stop()]
        session.ended = True
        session.apply(ev.RunStopped(step=1))
        await until(lambda: not app.is_running)


async def test_ctrl_c_twice_stops_and_quits(session) -> None:
    async with cockpit(session) as (pilot, _):
        await pilot.press("ctrl+c")
        assert not session.sent
        await pilot.press("ctrl+c")
        assert session.sent == [Stop()]


async def test_an_error_at_load_is_shown_and_the_app_stays_usable(tmp_path) -> None:
    session = HeldSession(tmp_path, loaded()[0])
    async with cockpit(session) as (pilot, app):
        session.apply(ev.RunFailed(message="llm.model: /nowhere [b]is[/b] missing \x1b[31m"))
        session.ended = True
        await settle(pilot)
        assert "/nowhere [b]is[/b] missing \ufffd[31m" in app.query_one(LogPane).plain
        said = str(app.query_one(EndingLine).render())
        assert "The run failed" in said and "/nowhere [b]is[/b] missing \ufffd[31m" in said
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
        await until(lambda: not app.is_running)


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (100, 30), (80, 24), (60, 20)])
async def test_every_size_shows_every_pane(session, size) -> None:
    async with cockpit(session, size) as (pilot, app):
        for number, name in enumerate(PANES, 1):
            await pilot.press(str(number))
            await pilot.pause()
            pane = app.query_one(f"#{name}")
            assert pane.display and pane.size.width > 15 and pane.size.height > 4
        shown = [app.query_one(f"#{name}").display for name in PANES]
        assert sum(shown) == (6 if size in ((200, 50), (120, 40)) else 3 if size[0] >= 80 else 1)


@pytest.mark.parametrize("end", [ev.RunPaused(step=1), ev.RunFinished(step=1)])
async def test_panes_that_a_larger_terminal_brings_are_drawn(tmp_path: Path, end: ev.Event) -> None:
    session = HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7}, BEST), end)
    async with cockpit(session, (80, 24)) as (pilot, app):
        log = app.query_one(LogPane)
        assert not log.display
        await settle(pilot)
        await pilot.resize_terminal(120, 40)
        await until(lambda: "seed template" in log.plain, "the log that came into view")


async def test_too_small_says_so_and_comes_back(session) -> None:
    async with cockpit(session, (50, 15)) as (pilot, app):
        assert app.query_one("#too-small").display
        assert not app.query_one("#panes").display
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert not app.query_one("#too-small").display
        assert app.query_one("#panes").display
        for _ in range(2):  # as it began, and after it was too small in between
            await settle(pilot)
            assert app.focused is app.query_one(RowTable)  # keys go to the pane that is named
            await pilot.resize_terminal(50, 15)
            await pilot.resize_terminal(80, 24)


async def test_zoom_shows_the_focused_pane_alone(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("5", "z")
        shown = [name for name in PANES if app.query_one(f"#{name}").display]
        assert shown == ["accuracy"]
        await pilot.press("z")
        assert all(app.query_one(f"#{name}").display for name in PANES)


async def test_hostile_text_is_shown_harmlessly(tmp_path) -> None:
    hostile = "a \x1b[2J<category> [bold]x[/bold] \u202eabc \x07 図"
    session = HeldSession(
        tmp_path,
        *loaded(),
        ev.StepStarted(step=1),
        ev.TokensStreamed(step=1, attempt=1, texts=(hostile, "x")),
        scored(hostile, 6, 1),
        ev.Warned(message=hostile),
    )
    async with cockpit(session) as (_, app):
        for pane in (CandidatesPane, LogPane):
            text = app.query_one(pane).plain
            assert "[bold]x[/bold]" in text and "図" in text
            assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
        table = app.query_one(RowTable)
        text = table.line(table.keys.index(normalise(hostile)))
        assert "[bold]x[/bold]" in text and "\x1b" not in text


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "glov-light", "high-contrast"])
async def test_themes(session, theme, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(tmp_path))
    async with cockpit(session) as (pilot, app):
        app.theme = theme
        await pilot.pause()
        assert app.theme == theme


async def test_a_pump_without_news_paints_nothing(session) -> None:
    async with cockpit(session) as (pilot, app):
        session.apply(ev.RunPaused(step=1))
        await settle(pilot)
        await pilot.pause(1.0)
        before = dict(app._shown_at)
        await pilot.pause(0.5)
        assert app._shown_at == before

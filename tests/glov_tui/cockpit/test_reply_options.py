"""Thoughts in the candidates pane, and how replies are begun and accepted, in the cockpit."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, TextArea

from engine.config.toml_file import load_config
from engine.remote.telemetry import telemetry_since
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.state import RunState
from glov_tui.cockpit.panes.candidates import THOUGHT_CHARACTERS, CandidatesPane
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.cockpit.screens.inject import InjectScreen
from glov_tui.cockpit.screens.options import OptionsScreen
from glov_tui.widgets.fields import Choice
from tests.support.sessions import BEST, HeldSession, cockpit, edits, loaded, one_step, settle

MESSAGES = (
    {"role": "user", "content": "One, please."},
    {"role": "assistant", "content": "a photo of"},
)
ASKED = (
    ev.StepStarted(step=2),
    ev.MetaPromptComposed(step=2, attempt=1, messages=MESSAGES, best=(), worst=()),
)


def streamed(*texts: str, thoughts: tuple[str, ...] = ()) -> ev.TokensStreamed:
    return ev.TokensStreamed(step=2, attempt=1, texts=texts, thoughts=thoughts)


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    config = load_config("demo", ["proposal.reply_prefix=a photo of"])
    return HeldSession(tmp_path, *loaded(config), *one_step(1, {BEST: 7}, BEST), *ASKED)


async def test_a_thought_is_shown_dim_until_the_reply_begins(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        pane = app.query_one(CandidatesPane)

        async def lines() -> list[tuple[str, str]]:
            pane.show(session.state)
            await settle(pilot)
            return [
                ("".join(text for text, _ in line), line[-1][1]) for line in pane._lines if line
            ]

        session.apply(streamed("", "a cup", thoughts=("x" * 500, "")))
        session.apply(streamed("", " at", thoughts=(" light\x1b[31m?", "")))
        (first, first_style), (second, _) = await lines()
        assert "thinks: " in first and first.endswith(" light\ufffd[31m?")
        assert len(first) < THOUGHT_CHARACTERS + 20 and first_style == "dim"
        assert second.endswith("a cup at")
        session.apply(streamed("a <category>", ""))
        (first, first_style), _ = await lines()
        assert first.endswith(" a <category>") and "thinks" not in first and first_style == ""


async def test_a_thought_that_did_not_end_says_what_to_do(session: HeldSession) -> None:
    session.apply(
        ev.CandidateProposed(
            step=2,
            attempt=1,
            candidate=0,
            reply="",
            tokens=0,
            finish="thinking",
            outcome="rejected",
            reason="thought-too-long",
            thought="light matters",
            thought_tokens=9,
        )
    )
    async with cockpit(session) as (_, app):
        plain = app.query_one(CandidatesPane).plain
        assert "raise sampling.thinking_tokens" in plain and "thinks: light matters" in plain


def test_a_screen_that_comes_late_is_sent_the_thoughts(session: HeldSession) -> None:
    before = session.state
    session.apply(streamed("", "", thoughts=("hm", "")), streamed("a", "", thoughts=("", "so")))
    for shown in (before, before.apply(streamed("", "", thoughts=("hm", "")))):
        late = shown.apply_all(telemetry_since(shown, session.state))
        assert (late.streams, late.thoughts) == (("a", ""), ("hm", "so"))
    assert telemetry_since(session.state, session.state) == []


def test_thoughts_end_with_their_attempt(session: HeldSession) -> None:
    session.apply(streamed("", thoughts=("hm",)))
    assert session.state.thoughts == ("hm",)
    for event in (ASKED[1].model_copy(update={"attempt": 2}), ev.StepStarted(step=2)):
        assert session.state.apply(event).thoughts == ()
    assert RunState().apply(streamed("a")).thoughts == ()


async def test_how_the_reply_is_begun_is_shown_and_changed(session: HeldSession) -> None:
    async with cockpit(session) as (pilot, app):
        assert "the reply is begun with\n a photo of" in app.query_one(MetaPromptPane).plain
        await pilot.press("o")
        assert isinstance(app.screen, OptionsScreen)
        field = app.screen.query_one("#proposal-reply-prefix", Input)
        assert field.value == "a photo of"
        field.value = "a drawing of a <category>, in"
        app.screen.query_one("#proposal-accept", Choice).action_cycle(-1)  # from usable to clean
        await pilot.press("ctrl+s")
        await pilot.press("o")
        app.screen.query_one("#proposal-reply-prefix", Input).value = ""
        await pilot.press("ctrl+s")
    assert edits(session) == [
        SetOption(key="proposal.accept", value="clean"),
        SetOption(key="proposal.reply_prefix", value="a drawing of a <category>, in"),
        SetOption(key="proposal.reply_prefix", value=None),
    ]


async def test_how_the_reply_is_begun_is_no_part_of_the_next_meta_prompt(
    session: HeldSession,
) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("e")
        text = app.screen.query_one("#text-next", TextArea).text
    assert "--- user ---" in text and "assistant" not in text and not text.endswith("a photo of")


@pytest.mark.parametrize(("accept", "told"), [("usable", "Can be scored."), ("clean", "a blank")])
async def test_an_injected_template_is_read_as_the_run_reads_replies(
    tmp_path: Path, accept: str, told: str
) -> None:
    config = load_config("demo", [f"proposal.accept={accept}"])
    async with cockpit(HeldSession(tmp_path, *loaded(config))) as (pilot, app):
        await pilot.press("i")
        assert isinstance(app.screen, InjectScreen)
        app.screen.query_one(TextArea).text = "a [colour] <category>"
        await pilot.pause(0.1)
        assert told in str(app.screen.query_one("#problem").content)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 50)])
async def test_every_field_is_in_its_row_whatever_the_width(
    session: HeldSession, size: tuple[int, int]
) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("o")
        await pilot.pause()
        for field in app.screen.query("Input, Choice"):
            row = field.parent.parent.scrollable_content_region
            assert field.region.right <= row.right and field.region.width >= 22

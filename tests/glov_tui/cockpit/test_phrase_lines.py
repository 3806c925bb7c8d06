"""What the details of a template say of its phrases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.analysis.phrase_wording import ends, origin_words, points
from engine.analysis.phrases import Phrase, PhraseBook
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import SetNextPrompt
from engine.run.state import RunState
from engine.session.replay import ReplaySession
from engine.storage.journal import read_state
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.phrase_lines import phrase_lines
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView, wrap
from tests.support.patience import until
from tests.support.sessions import (
    HeldSession,
    cockpit,
    loaded,
    one_step,
    scored,
    settle,
    steering_prepared,
)

DIM = "a dim <category>, light blue."
BLUE = "a photo of a <category> in blue light."
SHOUTED = "IN BLUE LIGHT, a <category>\x1b[2J"


def run() -> RunState:
    """Step 2 brings "in blue light" from ``DIM``, steered with alpha 0.75 at layer 3."""
    return RunState().apply_all(
        [
            *loaded(),
            *one_step(1, {DIM: 6, "the <category> here": 2}),
            ev.StepStarted(step=2),
            question(2, DIM),
            steering_prepared(2, 0.75, DIM),
            scored(BLUE, 9, 2),
            scored(SHOUTED, 8, 2, candidate=1),
        ]
    )


def question(step: int, *examples: str, attempt: int = 1) -> ev.MetaPromptComposed:
    asked = ({"role": "user", "content": "Write."},)
    keys = tuple(map(normalise, examples))
    return ev.MetaPromptComposed(step=step, attempt=attempt, messages=asked, best=keys, worst=())


def phrases(state: RunState, template: str = BLUE) -> dict[str, Phrase]:
    one = state.find(normalise(template))
    assert one is not None
    return {phrase.text: phrase for phrase in PhraseBook(state).of([one])}


def lines(state: RunState, template: str = BLUE) -> list[Line]:
    return phrase_lines(list(phrases(state, template).values()))


def plain(found: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in found]


def test_worth_and_what_brought_it_stand_together() -> None:
    told = plain(lines(run()))
    at = next(i for i, line in enumerate(told) if line.startswith('"in blue light"'))
    # 8.5 hits less the mean of 4, 6 and 2; Student's t with 3 degrees of freedom.
    assert told[at] == '"in blue light"  worth +45.0 points (-3.9 to +93.9; 2 with, 3 without)'
    assert told[at + 1] == (
        "  came in step 2, at alpha 0.75 (last-token, layer 3), from "
        '"a dim <category>, light blue." (60.0%), which has 2 of its 2 words'
    )


def test_worth_has_a_colour_where_its_whole_interval_has_a_sign() -> None:
    blue = {f"blue, <category> of a kind {n}": 9 for n in range(4)}
    dim = {f"dim, <category> of a kind {n}": 1 for n in range(4)}
    both = {**blue, **dim, "blue, dim <category>": 5}
    state = RunState().apply_all([*loaded(), *one_step(1, both)])
    styles = {}
    for line in lines(state, "blue, dim <category>"):
        if line[-1][0].startswith("worth "):
            styles[line[0][0]] = line[-1][0][:10], line[-1][1]
    assert styles == {'"blue"': ("worth +66.", "good"), '"dim"': ("worth -62.", "bad")}
    (unsure,) = (line for line in lines(run()) if line[0][0] == '"in blue light"')
    assert unsure[-1][1] == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steering": None}, "came in step 2, not steered, from"),
        ({"attempt": 2}, "came in step 2, attempt 2, at alpha 0.75"),
        ({"shown": ()}, "at alpha 0.75 (last-token, layer 3), with no example shown"),
        (
            {"layers": (3, 4), "alpha_unit": "relative"},
            "alpha 0.75 of the norm (last-token, layers 3, 4)",
        ),
    ],
)
def test_what_brought_it_in_words(change: dict[str, Any], words: str) -> None:
    prepared = steering_prepared(2, 0.75, DIM)
    kept = {k: v for k, v in change.items() if k in ("layers", "alpha_unit")}
    attempt = change.get("attempt", 1)
    state = RunState().apply_all([*loaded(), *one_step(1, {DIM: 6}), ev.StepStarted(step=2)])
    state = state.apply(question(2, *change.get("shown", (DIM,)), attempt=attempt))
    if change.get("steering", prepared) is not None:
        state = state.apply(prepared.model_copy(update=kept))
    one = scored(BLUE, 9, 2).model_copy(update={"attempt": attempt})
    two = scored("in blue light: <category>", 8, 2, candidate=1)
    state = state.apply_all([one, two.model_copy(update={"attempt": attempt})])
    assert words in origin_words(phrases(state)["in blue light"])


def test_new_phrases_and_those_of_people_and_of_the_seed() -> None:
    state = run().apply(scored("a photo, rusty, <category>", 5, 2, candidate=2))
    state = state.apply(scored("the <category> here, in the fog", 5, 2, "human"))
    state = state.apply(scored("in the fog, <category>", 5, 3))
    assert origin_words(phrases(state)["a photo"]) == "from the seed template"
    new = origin_words(phrases(state, "a photo, rusty, <category>")["rusty"])
    steered = "at alpha 0.75 (last-token, layer 3)"
    assert new == f"came in step 2, {steered}, new: no example has a word of it"
    by_person = phrases(state, "in the fog, <category>")["in the fog"]
    assert origin_words(by_person) == "injected by a person in step 2"
    edit = ev.Edited(number=1, step=1, edit=SetNextPrompt(system="", user="Write blue."))
    asked = [*loaded(), edit, ev.StepStarted(step=1), question(1, BLUE), scored("rusty", 9, 1)]
    rusty = phrases(RunState().apply_all(asked), "rusty")["rusty"]
    assert "on a person's own meta-prompt" in origin_words(rusty)
    listed = replace(rusty, first=replace(rusty.first, origin="listed"))
    assert origin_words(listed) == "from the data set's own templates"


def test_what_has_no_worth_says_why() -> None:
    state = RunState().apply_all([*loaded(), *one_step(1, {BLUE: 6, "a photo, <category>": 5})])
    told = "\n".join(plain(lines(state)))
    assert '"a photo"  in all of 3 templates' in told
    assert '"in blue light"  in no other template' in told
    more = state.apply(scored("<category>", 5, 1))
    assert '"a photo"  in all but one of 4 templates' in "\n".join(plain(lines(more)))


def test_no_worth_is_no_negative_zero() -> None:
    assert [points(share) for share in (0.0004, -0.0004, 0.0, -0.05)] == ["0.0"] * 3 + ["-5.0"]
    assert ends((-0.0001, 0.125)) == "0.0 to +12.5" and ends(None) == "–"


def test_scores_of_a_part_are_said() -> None:
    part = scored("blue light, <category>", 1, 2).model_copy(update={"n": 2})
    told = plain(lines(run().apply(part)))
    assert "1 of 6 templates count with their accuracy on a part of the images" in told
    assert not any("part of the images" in line for line in plain(lines(run())))


def test_texts_are_harmless() -> None:
    state = run().apply(scored("in \u202eblue\x1b[2J light <category>", 3, 2, candidate=3))
    told = "\n".join(plain(lines(state, "in \u202eblue\x1b[2J light <category>")))
    assert "\x1b" not in told and "\u202e" not in told


@pytest.mark.parametrize("width", [30, 68, 104])
def test_lines_fit_any_width(width: int) -> None:
    rows = [row for line in lines(run()) for row in wrap(line, width)]
    assert all(sum(len(text) for text, _ in row) <= width for row in rows)


# -- in the cockpit -------------------------------------------------------------------------


async def opened(pilot: Pilot[Any]) -> str:
    """The details of the selected template, once its phrases are there."""
    await settle(pilot)
    await pilot.press("enter")
    assert isinstance(pilot.app.screen, DetailsScreen)
    view = pilot.app.screen.query_one(TextView)
    await until(lambda: "most worth first" in view.plain, "phrases in the details")
    return view.plain


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24)])
async def test_the_details_have_them(tmp_path: Path, size: tuple[int, int]) -> None:
    session = HeldSession(tmp_path)
    session.state = run()
    async with cockpit(session, size) as (pilot, _):
        shown = await opened(pilot)
        assert BLUE in shown and '"in blue light"  worth +45.0 points' in shown
        assert shown.index("proposed by the LLM") < shown.index("most worth first")
        assert shown.index("most worth first") < shown.index("hits by class")


async def test_a_replay_shows_what_was_known_at_its_step(undisturbed: Path) -> None:
    app = GlovApp(replay := ReplaySession.open(undisturbed))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        replay.pause()
        replay.go_to(1)
        await settle(pilot)
        early = await opened(pilot)
        await pilot.press("escape")
        replay.go_to_end()
        late = await opened(pilot)
    assert "came in step 1" in early and "came in step 2" not in early
    state = read_state(undisturbed)
    best = {phrase.text for phrase in PhraseBook(state).of([state.ranking[0]])}
    assert best and all(f'"{text}"' in late for text in best)

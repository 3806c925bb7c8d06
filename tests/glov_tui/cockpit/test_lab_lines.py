"""The lab's plain functions: settings as typed, shades, and replies as lines."""

from __future__ import annotations

import math
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import ChooseAnchors, SetOption
from engine.run.experiment import SteeringSetting
from engine.run.state import RunState
from glov_tui.cockpit.lab import heat, settings, traces
from glov_tui.cockpit.lab.obstacles import obstacle, steer_command
from glov_tui.cockpit.lab.settings import Typed, TypedWrong
from tests.support.sessions import lens_read, loaded, one_step, traced

BEST = "a <category> in blue light."
RUN = RunState().apply_all([*loaded(), *one_step(1, {BEST: 7}, BEST)])


def why(state: RunState, ended: bool = False) -> str:
    """Why nothing can be tried; keys are written as <the name of their binding>."""
    return obstacle(state, ended, "r", "<{}>".format) or ""


def text(line) -> str:
    return "".join(part for part, _ in line)


@pytest.mark.parametrize(
    ("typed", "layers"), [("3", (3,)), ("5, 3,3", (3, 5)), ("1-3", (1, 2, 3)), ("0-1,5", (0, 1, 5))]
)
def test_layers(typed, layers) -> None:
    assert settings.parse_layers(typed, 6) == layers


@pytest.mark.parametrize("typed", ["", "x", "6", "-1", "3-1", "1,", "1.5", "2-6"])
def test_wrong_layers_are_refused_with_what_is_allowed(typed) -> None:
    with pytest.raises(TypedWrong, match=r"layers = .*(0 to 5|range)") as error:
        settings.parse_layers(typed, 6)
    assert error.value.field == "layers"


@pytest.mark.parametrize("layers", [(0,), (0, 1), (0, 1, 2, 5), (1, 3, 4, 5)])
def test_layers_are_written_as_they_can_be_typed(layers) -> None:
    assert settings.parse_layers(settings.written_layers(layers), 6) == layers


@pytest.mark.parametrize("typed", ["", "nan", "inf", "1,,2", "many"])
def test_wrong_alphas_are_refused(typed) -> None:
    with pytest.raises(TypedWrong, match="alpha ="):
        settings.parse_alphas(typed, ())


def test_a_row_becomes_a_setting_and_back() -> None:
    setting = SteeringSetting(
        mode="actadd", layers=(1, 2, 3), alpha=-0.5, alpha_unit="relative", pool="last"
    )
    assert Typed.of(setting).setting(6, 0.5) == setting
    assert Typed("off", "nonsense", "", "absolute", "paper").setting(6, 0.5).mode == "off"
    with pytest.raises(TypedWrong, match="alpha = 5000"):
        Typed("last-token", "1", "5000", "absolute", "paper").setting(6, 0.5)
    with pytest.raises(TypedWrong, match="one number"):
        Typed("last-token", "1", "1,2", "absolute", "paper").setting(6, 0.5)


def test_the_run_s_setting_and_a_grid_around_it() -> None:
    assert settings.setting_of(RUN) == SteeringSetting(layers=(3,), alpha=0.5)
    layers, alphas = settings.grid_of(RUN)
    assert layers == (0, 1, 2, 3, 4, 5) and alphas == (0.25, 0.5, 0.75, 1.0)
    assert settings.setting_of(RunState()) is None


def test_alpha_that_the_run_chooses_is_the_latest_one() -> None:
    assert RUN.config is not None
    steering = RUN.config.steering.model_copy(update={"alpha": "auto"})
    config = RUN.config.model_copy(update={"steering": steering})
    state = RunState().apply_all(loaded(config))
    setting = settings.setting_of(state)
    assert setting is not None and setting.alpha == steering.alphas[0]
    edits = settings.edits_towards(state, setting)
    assert edits == [SetOption(key="steering.alpha", value=setting.alpha)]


def test_obstacles_are_named_in_the_order_in_which_they_can_be_removed() -> None:
    seed_only = RunState().apply_all(loaded())
    assert "loading" in why(RunState())
    assert "with <hold-positive> and <hold-negative> in the cockpit" in why(seed_only)
    assert "<pause> pauses it" in why(RUN)
    assert not why(RUN.apply(ev.RunPaused(step=1)))
    assert "ended" in why(RUN, ended=True)


def test_a_run_that_can_never_be_steered_is_not_sent_to_the_command_line() -> None:
    models = RunState().apply_all(loaded()).models
    assert models is not None
    mute = RUN.apply(models.model_copy(update={"llm_layers": 0}))
    assert "can't be steered" in why(mute, ended=True) and "glov steer" not in why(mute, True)
    given = RunState().apply_all(loaded(load_config("demo", ["search.kind=s-temp"])))
    for ended in (False, True):
        assert why(given, ended) == "The search s-temp asks no LLM: there is none to steer."
    assert "nothing to try" in why(RunState().apply_all(loaded()[:1]), ended=True)


def test_the_command_of_an_ended_run_names_what_the_run_has_not() -> None:
    assert steer_command(RUN, "r") == "glov steer r"
    alone = RunState().apply_all(loaded())
    assert steer_command(alone, "r") == (
        "glov steer r --positive 'a photo of a <category>.' --negative '<category>.'"
    )
    worse = alone.apply_all(one_step(1, {"it's <category>.": 2}))
    command = steer_command(worse, "r")
    assert command is not None
    assert shlex.split(command)[-2:] == ["--negative", "it's <category>."]


def test_anchors_held_by_hand_count_before_they_take_effect() -> None:
    keys = (normalise(BEST), normalise("a photo of a <category>."))
    state = RunState().apply_all([*loaded(), *one_step(1, {BEST: 3})])
    edit = ChooseAnchors(positive=keys[0], negative=keys[1])
    state = state.apply(ev.Edited(number=1, step=2, edit=edit)).apply(ev.RunPaused(step=1))
    assert settings.anchors_of(state) == keys
    assert not why(state)


def test_only_what_differs_is_edited() -> None:
    same = SteeringSetting(layers=(3,), alpha=0.5)
    other = SteeringSetting(mode="actadd", layers=(2,), alpha=1, alpha_unit="relative", pool="last")
    assert settings.edits_towards(RUN, same) == []
    assert settings.edits_towards(RUN, SteeringSetting(mode="off", layers=())) == [
        SetOption(key="steering.mode", value="off")
    ]
    assert settings.edits_towards(RUN, other) == [
        SetOption(key="steering.mode", value="actadd"),
        SetOption(key="steering.layers", value=[2]),
        SetOption(key="steering.alpha", value=1.0),
        SetOption(key="steering.alpha_unit", value="relative"),
        SetOption(key="steering.pool", value="last"),
    ]


def test_shades() -> None:
    assert [heat.kl_level(kl) for kl in (0.0, 0.01, 0.2, 5.0, math.inf)] == [0, 1, 3, 6, 6]
    assert heat.kl_level(math.nan) == 0
    assert heat.level_between(2, [1, 2, 3]) == 3 and heat.level_between(1, [1, 1]) == 0
    assert len(heat.UNICODE_RAMP) == len(heat.ASCII_RAMP) == len(heat.STYLES) == heat.LEVELS
    assert cell_len(heat.kl_legend(False)) < 79 and heat.kl_legend(True).isascii()


def test_the_first_difference() -> None:
    a, b = traced(["x", " y", " z"]), traced(["x", " y", " w"])
    assert traces.first_difference(a, b) == 2
    assert traces.first_difference(a, a) is None
    assert traces.first_difference(a, traced(["x"])) == 1


def test_tokens_are_told_apart_and_the_different_ones_are_marked() -> None:
    lines = traces.reply_lines(traced(["On", "e", " two", "\n", "x"], kl=0.02), 40, 2)
    assert [text(line).rstrip() for line in lines] == ["One▸·two⏎", "▂ ▂ ▂▂▂ ▂", "x", "▂"]
    assert (("two", "strong")) in lines[0]
    plain = traces.reply_lines(traced(["a", " b", "\n"], kl=9), 40, None, ascii_only=True)
    assert [text(line).rstrip() for line in plain] == ["a_b\\n", "##"[:1] + "# #"]


def test_an_empty_reply_says_so() -> None:
    assert text(traces.reply_lines(traced([]), 40, None)[0]) == "(empty)"
    assert traces.measures([traced([])]) == "KL -, fluency -"


HOSTILE = ["\x1b[2J", " [bold]x[/bold]", "\u202eabc", "\x07", "図", "\t", "\u200d", "w" * 70]


@given(
    tokens=st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12)), max_size=20),
    width=st.integers(20, 120),
    ascii_only=st.booleans(),
)
def test_no_line_is_wider_than_its_column_nor_harmful(tokens, width, ascii_only) -> None:
    a, b = traced(tokens), traced([*tokens[: len(tokens) // 2], " other"])
    pair = (SteeringSetting(mode="off", layers=()), SteeringSetting(layers=(1,)))
    lines = [
        *traces.reply_lines(a, width, None, ascii_only),
        *traces.comparison_lines([a], [b], pair, max(width, traces.SIDE_BY_SIDE), ascii_only),
    ]
    for line in lines:
        shown = text(line)
        assert not set(shown) & set("\x1b\x07\n\r\t\u202e\u200f")
        assert not ascii_only or shown.isascii()
    for line in traces.reply_lines(a, width, None, ascii_only):
        assert cell_len(text(line)) <= width


def test_the_lens_marks_steered_layers_and_fits() -> None:
    for width in (80, 120):
        lines = traces.lens_lines(lens_read().found.layers, width, (3,))
        assert all(cell_len(text(line)) <= width for line in lines)
        assert [text(line)[:6] for line in lines if text(line).startswith(">")] == [">    3"]
        assert "·soft +3.5" in "".join(map(text, lines))
        long = traces.lens_lines(lens_read(token="x" * 300).found.layers, width, ())
        assert f"{'x' * 15}… +3.5  ⏎ +1.0" in text(long[1])

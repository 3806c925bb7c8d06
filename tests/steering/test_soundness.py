"""What a user is told of a steering: how strong it is, of sink and registers, and only once."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.breaking import ReplyCount, breaks, repeats_itself
from engine.run.state import RunState
from engine.steering.soundness import BREAKING, Register, remarks, strength
from glov_tui.commands.headless import _print_log
from tests.support.sessions import loaded, one_step

BEST = "the best <category>"
SEED = "a photo of a <category>."
RATIOS = (0.1, 0.2, 0.3, 0.1)


def prepared(step: int = 2, **changes: Any) -> ev.SteeringPrepared:
    values: dict[str, Any] = {
        "positive": normalise(BEST),
        "negative": normalise(SEED),
        "mode": "last-token",
        "pool": "no-bos",
        "layers": (2,),
        "alpha": 1.0,
        "norms": (1.0,) * 4,
        "ratios": RATIOS,
    }
    return ev.SteeringPrepared(step=step, **{**values, **changes})


def said(event: ev.SteeringPrepared) -> list[str]:
    return [remark.text for remark in remarks(event) if remark.level == "warning"]


# -- how strong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "alpha", "unit", "expected"),
    [
        ((2,), 2.0, "absolute", 0.6),
        ((2,), -2.0, "absolute", 0.6),
        ((1, 2), 1.0, "absolute", 0.5),
        ((2,), 0.25, "relative", 0.25),
        ((1, 2), 0.25, "relative", 0.5),
        ((4,), 1.0, "absolute", None),
        ((), 1.0, "absolute", None),
    ],
)
def test_strength_is_alpha_times_the_ratio_summed_over_layers(layers, alpha, unit, expected):
    assert strength("last-token", layers, alpha, unit, RATIOS) == pytest.approx(expected)
    assert strength("off", layers, alpha, unit, RATIOS) is None
    assert strength("actadd", layers, alpha, unit, RATIOS) is None


def test_a_strong_alpha_is_said_with_the_figure_and_what_would_do():
    (text,) = said(prepared(alpha=4.0))
    assert "steering.alpha = 4" in text and "120% of the hidden states' norm at layer 2" in text
    assert "Up to 1.33 is safer" in text
    assert said(prepared(alpha=1.33)) == []
    assert said(prepared(alpha=1.33, pool="last")) == []


@given(st.floats(-1000, 1000), st.lists(st.floats(0, 1e6), min_size=1, max_size=4))
def test_what_is_said_to_be_safer_is(alpha, ratios):
    setting = tuple(range(len(ratios)))
    texts = said(prepared(alpha=alpha, layers=setting, ratios=tuple(ratios)))
    value = strength("last-token", setting, alpha, "absolute", ratios)
    assert bool(texts) == (value >= BREAKING)
    if texts:
        safer = float(texts[0].rpartition("Up to ")[2].removesuffix(" is safer"))
        assert strength("last-token", setting, safer, "absolute", ratios) < BREAKING * 1.0001


# -- sink and registers -------------------------------------------------------------------------


def test_a_sink_that_dominates_is_said_with_its_share():
    shares = (0.0, 0.4, 0.993, 0.999)
    (text,) = said(prepared(pool="paper", sink_shares=shares))
    assert "steering.pool = 'paper'" in text and "99% of the squared norm" in text
    assert "layer 2" in text and "'no-bos' leaves it out" in text
    assert said(prepared(pool="paper", sink_shares=shares, layers=(1,))) == []
    # Its offset is made of single tokens, not of the mean.
    assert said(prepared(pool="paper", sink_shares=shares, mode="cross-attention")) == []


def test_registers_are_named_by_the_largest():
    registers = tuple(
        Register(layer=2, template="P+", token=token, times=times)
        for token, times in ((" photo", 12.0), ("\x1b[2J", 42.4))
    )
    (text,) = said(prepared(registers=registers))
    assert "'\\x1b[2J' in P+ has 42 times the median norm at layer 2" in text


def test_what_stands_in_front_is_said_where_the_offset_is_read_so():
    (remark,) = remarks(prepared(front="<s>"))
    assert remark.level == "info" and "'<s>' stands in front of P+ and P-" in remark.text
    assert list(remarks(prepared(front="<s>", pool="paper"))) == []
    assert len(list(remarks(prepared(front="<s>", pool="paper", mode="cross-attention")))) == 1
    assert list(remarks(prepared())) == []


# -- the log of a run ----------------------------------------------------------------------------


def run_with(*events: ev.Event) -> RunState:
    return RunState().apply_all([*loaded(), *one_step(1, {BEST: 7}, BEST), *events])


def step(number: int, event: ev.SteeringPrepared) -> list[ev.Event]:
    first, *rest = one_step(number, {f"{number} <category>": 3})
    return [first, event.model_copy(update={"step": number}), *rest]


def count(state: RunState, words: str) -> int:
    return sum(words in line.text for line in state.log)


def test_each_is_said_once_in_a_run_also_where_a_step_begins_again():
    event = prepared(
        alpha=4.0,
        front="<s>",
        sink_shares=(0.99,) * 4,
        pool="paper",
        registers=(Register(layer=2, template="P-", token="x", times=20),),
    )
    cut = [ev.StepStarted(step=3), event.model_copy(update={"step": 3})]
    again = [ev.RunReopened(versions={}), *step(3, event)]
    state = run_with(*step(2, event), *cut, *again)
    for words in ("attention sink, makes up", "a register of the LLM", "is strong"):
        assert count(state, words) == 1, words
    state = state.apply_all(step(4, event.model_copy(update={"alpha": 8.0})))
    assert count(state, "is strong") == 2


# -- replies that break --------------------------------------------------------------------------


def outcomes(number: int, replies: int, rejected: int, alpha: float | None) -> list[ev.Event]:
    """A step with so many replies of which some held no template."""
    first, composed, *rest = one_step(number, {f"{number} <category>": 3})
    proposed = rest[0]
    assert isinstance(proposed, ev.CandidateProposed)
    events: list[ev.Event] = [first, composed]
    if alpha is not None:
        events.append(prepared(number, alpha=alpha))
    for i in range(replies):
        bad = {"outcome": "rejected", "template": None, "reason": "no placeholder"}
        update = {"candidate": i, **(bad if i < rejected else {"outcome": "duplicate"})}
        events.append(proposed.model_copy(update=update))
    return [*events, *rest[1:]]


def test_steered_replies_that_break_are_said_with_what_to_do():
    state = run_with(*outcomes(2, 10, 1, None), *outcomes(3, 10, 2, 0.5))
    assert count(state, "steering breaks") == 0
    state = state.apply_all([*outcomes(4, 10, 9, 1.25), *outcomes(5, 10, 9, 1.25)])
    assert count(state, "steering breaks") == 1
    (line,) = [line for line in state.log if "steering breaks" in line.text]
    assert line.level == "warning"
    assert (
        "at alpha 1.25 9 of 10 held no usable template or repeated their words, un-steered 1 of 11"
    ) in line.text
    assert "lower steering.alpha" in line.text


def test_noise_behind_a_reply_prefix_is_broken_though_it_is_a_template():
    noise = "a photo of a <category> in in in on only in"
    steered = [
        event.model_copy(update={"reply": noise, "outcome": "new", "template": noise})
        if isinstance(event, ev.CandidateProposed)
        else event
        for event in outcomes(3, 10, 0, 50.0)
    ]
    state = run_with(*outcomes(2, 10, 1, None), *steered)
    assert count(state, "steering breaks") == 1


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("a photo of a <category> in in in on only in", True),
        ("a <category>, in, In, in.", True),
        ("the cat and the dog and the cat and the dog and the <category>", True),
        ("a photo of a <category>, a type of flower, in a garden, seen from a distance.", False),
        ("a bad, bad photo of a <category>.", False),
        ("a photo of 1 1 1 <category>", False),
        ("", False),
    ],
)
def test_words_that_repeat_as_no_person_writes(text: str, repeats: bool) -> None:
    assert repeats_itself(text) == repeats


def test_an_llm_that_is_as_bad_without_steering_is_not_steerings_fault():
    state = run_with(*outcomes(2, 10, 9, None), *outcomes(3, 10, 10, 1.25))
    assert count(state, "steering breaks") == 0


def test_steps_with_alpha_zero_count_as_unsteered():
    state = run_with(*outcomes(2, 10, 9, 0.0))
    assert state.unsteered == ReplyCount(11, 9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_only_a_far_higher_share_beyond_chance_counts(a, b, c, d):
    steered, unsteered = ReplyCount(a + b, b), ReplyCount(c + d, d)
    if breaks(steered, unsteered):
        assert steered.share >= unsteered.share + 0.2 and min(a + b, c + d) > 2
        assert breaks(ReplyCount(a + b + 1, b + 1), unsteered)  # one more bad one
    assert not breaks(steered, steered)
    assert not breaks(steered, ReplyCount())


def test_a_journal_of_before_can_be_read():
    line = ev.format_event(
        prepared(trials=(ev.AlphaTrial(alpha=1, replies=2, reward=0, spread=0),))
    )
    for new in (',"front":null', ',"sink_shares":[]', ',"registers":[]', ',"rejected":0'):
        assert new in line
        line = line.replace(new, "")
    assert ev.parse_event(line).trials[0].rejected == 0


def test_the_demos_own_alpha_is_not_called_strong():
    steering = load_config("demo").steering
    largest = 0.75  # of its pairs' ratios at layer 3; most are 0.2 to 0.4
    assert strength(steering.mode, (3,), steering.alpha, "absolute", (largest,) * 6) < BREAKING


def test_headless_prints_all_that_one_event_says() -> None:
    event = prepared(alpha=4.0, front="<s>", pool="paper", sink_shares=(0.99,) * 4)
    stream = io.StringIO()
    state = run_with(*step(2, event))
    after = _print_log(state, Console(file=stream, width=200), 0.0)
    for words in ("attention sink, makes up", "is strong"):
        assert words in stream.getvalue()
    assert _print_log(state, Console(file=stream), after) == after

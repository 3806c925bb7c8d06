"""A past step from the journal: its last attempt, and its options as they were then."""

from __future__ import annotations

import pytest

from engine.common.errors import JournalError
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.storage.past_step import past_step, read_past_step
from tests.support.sessions import one_step
from tests.support.steered_runs import measured, models, prepared, steered_step


def edited(number: int, step: int, value: float) -> ev.Edited:
    return ev.Edited(
        number=number, step=step, edit=SetOption(key="sampling.temperature", value=value)
    )


def test_a_step_has_its_prompt_setting_replies_and_scores() -> None:
    found = past_step([*models(6), *steered_step(1, 6, layers=(2,)), *steered_step(2, 6)], 1)
    assert found is not None and found.setting is not None
    assert found.setting.layers == (2,) and found.setting.mode == "last-token"
    assert "at step 1" in found.messages[1]["content"]
    assert [reply.template for reply in found.replies] == ["template 1 of a <category>."]
    assert found.accuracies == {"template 1 of a <category>.": 0.5}
    assert found.effect is not None


def test_options_are_those_that_held_then() -> None:
    events = [
        *models(6), edited(1, 1, 0.5), *steered_step(1, 6), edited(2, 2, 0.7), edited(3, 3, 0.9),
        *steered_step(2, 6), *steered_step(3, 6),
    ]  # fmt: skip
    temperatures = [past_step(events, step).config.sampling.temperature for step in (1, 2, 3)]
    assert temperatures == [0.5, 0.7, 0.9]


def test_an_edit_during_a_step_that_was_cut_off_holds_when_it_is_begun_again() -> None:
    cut = steered_step(1, 6)[:3]
    events = [*models(6), *cut, edited(1, 1, 0.5), *steered_step(1, 6, alpha=2.0)]
    found = past_step(events, 1)
    assert found is not None and found.prepared is not None
    assert found.prepared.alpha == 2.0 and len(found.replies) == 1
    assert found.config.sampling.temperature == 0.5


def test_the_last_attempt_counts() -> None:
    begun, asked, proposed, *rest = one_step(1, {"one <category>.": 5})
    again = {"attempt": 2}
    events = [
        *models(6), begun, asked, prepared(1, 6), measured(1, 0.1), proposed,
        asked.model_copy(update=again), prepared(1, 6),
        proposed.model_copy(update={**again, "reply": "second"}), *rest,
    ]  # fmt: skip
    found = past_step(events, 1)
    assert found is not None and found.attempt == 2 and found.effect is None
    assert [reply.reply for reply in found.replies] == ["second"]


def test_a_step_without_replies_is_none(tmp_path) -> None:
    events = [*models(6), *steered_step(1, 6)[:3]]
    assert past_step(events, 1) is None and past_step(events, 7) is None
    with pytest.raises(JournalError):
        read_past_step(tmp_path, 1)

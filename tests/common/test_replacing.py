"""Records made anew: as dataclasses make them."""

from __future__ import annotations

import dataclasses

import pytest

from engine.common.replacing import replace
from engine.run.state import RunState


def test_a_record_is_made_anew_as_dataclasses_do_it() -> None:
    before = RunState(run="one", step=3)
    after = replace(before, step=4, status="paused")
    assert after == dataclasses.replace(before, step=4, status="paused")
    assert before == RunState(run="one", step=3)  # which is as it was
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.step = 5  # type: ignore[misc]


def test_what_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="RunState has no field stepp"):
        replace(RunState(), stepp=1)

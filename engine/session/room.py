"""Whether the models of a run have room on their devices: looked at before any is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable

from engine.common.errors import ModelError
from engine.config import RunConfig
from engine.models.device import device_names, room_of
from engine.placement.estimate import estimate
from engine.placement.needs import Needs
from engine.placement.verdict import Verdict, judge
from engine.placement.wanted import Wanted

Report = Callable[[str], None]

SWITCH = "GLOV_MEMORY_CHECK"
OVERRIDE = f"If the estimate is wrong, {SWITCH}=off in the environment loads them all the same"


def look_for_room(config: RunConfig, wanted: Wanted) -> tuple[tuple[Needs, ...], Verdict | None]:
    """What the models take, and what stands against loading them.

    Raises:
        ModelError: as ``estimate``.
    """
    needs = estimate(config, wanted)
    used = {name for one in needs for name in one.devices}
    rooms = {name: room_of(name) for name in device_names() if name in used or name == "cpu"}
    verdict = judge(config, needs, rooms, lambda other: estimate(other, wanted))
    if verdict is not None:  # now for the suggestion: of all others too
        rooms = {name: room_of(name) for name in device_names()}
        verdict = judge(config, needs, rooms, lambda other: estimate(other, wanted)) or verdict
    return needs, verdict


def is_switched_off() -> bool:
    """Whether the user knows better: then nothing is refused."""
    return os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "no", "false")


def check_room(config: RunConfig, wanted: Wanted, report: Report, alone: bool = True) -> None:
    """Refuse what can't fit, and report what may not.

    Args:
        config: whose models are to be loaded.
        wanted: which of them.
        report: gets the warning.
        alone: whether no other models are held, whose memory comes free before these are loaded;
            where some are, what is free now says nothing.

    Raises:
        ModelError: if the weights alone take more memory than there is, with what to change.
    """
    _, verdict = look_for_room(config, wanted)
    if verdict is None:
        return
    if not verdict.is_certain:
        if alone:
            report(verdict.text)
    elif is_switched_off():
        report(f"{verdict.text}. They are loaded all the same ({SWITCH} is off)")
    else:
        raise ModelError(f"these models can't be loaded here: {verdict.text}. {OVERRIDE}")

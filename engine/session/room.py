"""Whether the models of a run have room on their devices: looked at before any is loaded."""

from __future__ import annotations

from collections.abc import Callable

from engine.common.errors import ModelError
from engine.config import RunConfig
from engine.models.device import device_names, room_of
from engine.placement.estimate import estimate
from engine.placement.needs import Needs
from engine.placement.verdict import Verdict, judge
from engine.placement.wanted import Wanted

Report = Callable[[str], None]


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


def check_room(config: RunConfig, wanted: Wanted, report: Report) -> None:
    """Refuse what can't fit, and report what may not.

    Raises:
        ModelError: if the weights alone take more memory than there is, with what to change.
    """
    _, verdict = look_for_room(config, wanted)
    if verdict is None:
        return
    if verdict.is_certain:
        raise ModelError(f"these models can't be loaded here: {verdict.text}")
    report(verdict.text)

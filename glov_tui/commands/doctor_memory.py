"""What ``glov doctor CONFIG`` says of the memory that the configuration's models take."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from engine.common.errors import ModelError, UserError
from engine.common.wording import listed
from engine.config import RunConfig
from engine.data.catalogue.table import catalogue
from engine.data.registry import load_dataset
from engine.models import threads
from engine.session.wanted_models import wanted_models


class ModelMemory(TypedDict):
    """What a model takes, estimated before it is loaded."""

    name: str  # LLM, VLM, embedder or judge
    model: str
    devices: list[str]  # it is spread over, if they are several
    weights: str | None
    counted_by: str  # what the weights were counted by, or why they are not known
    work: dict[str, str]  # what comes on top while it runs, at most


class DeviceMemory(TypedDict):
    """What models take of a device together; one that is spread over several counts in each."""

    name: str
    weights: str
    needed: str  # with what comes on top
    free: str  # now
    total: str


class RoomFound(TypedDict):
    """Whether the models have room."""

    fits: bool  # as far as is known
    problem: NotRequired[str]  # why it is certain that they don't, and what to change
    warning: NotRequired[str]  # why they may not, and what to change
    note: NotRequired[str]  # which models are not in this, as their size is not known


def memory_of(config: RunConfig) -> tuple[list[ModelMemory], list[DeviceMemory], RoomFound]:
    """Of each local model, of each device that is used, and what comes of it."""
    threads.prepare()
    from engine.models.device import room_of
    from engine.placement.verdict import gib
    from engine.session.room import OVERRIDE, is_switched_off, look_for_room

    try:
        needs, verdict = look_for_room(config, wanted_models(config, _images(config)))
        used = dict.fromkeys(name for one in needs for name in one.devices)
        rooms = {name: room_of(name) for name in used}
    except ModelError as error:
        return [], [], {"fits": False, "problem": str(error)}
    models: list[ModelMemory] = []
    for one in needs:
        model: ModelMemory = {
            "name": one.what,
            "model": one.model,
            "devices": list(one.devices),
            "weights": None if one.weights is None else gib(one.weights),
            "counted_by": one.rests_on,
            "work": {what: gib(size) for what, size in one.work.items()},
        }
        models.append(model)
    devices: list[DeviceMemory] = []
    for name, room in rooms.items():
        there = [one for one in needs if name in one.devices]
        devices.append(
            {
                "name": name,
                "weights": gib(sum(one.weights or 0 for one in there)),
                "needed": gib(sum(one.total for one in there)),
                "free": gib(room.free),
                "total": gib(room.total),
            }
        )
    if verdict is None:
        unknown = [one.what for one in needs if one.weights is None]
        found: RoomFound = {"fits": True}
        if unknown:
            found["note"] = f"as far as is known: what the {listed(unknown)} takes is not"
        return models, devices, found
    if verdict.is_certain:
        if is_switched_off():
            return models, devices, {"fits": False, "warning": verdict.text}
        return models, devices, {"fits": False, "problem": f"{verdict.text}. {OVERRIDE}"}
    return models, devices, {"fits": False, "warning": verdict.text}


def _images(config: RunConfig) -> int | None:
    """How many images features are kept of, where that is known without a download."""
    entry = catalogue().get(config.data.dataset)
    if entry is not None:
        return entry.test
    try:
        dataset = load_dataset(config.data)
    except UserError:  # a run says what is wrong with it
        return None
    return len(dataset.test) + min(len(dataset.train), config.data.shots * len(dataset.class_names))

"""The torch device that ``llm.device`` or ``vlm.device`` names, and what it has of memory."""

from __future__ import annotations

from typing import NamedTuple

import torch

from engine.common.errors import ModelError
from engine.models.control_groups import group_memory
from engine.models.load_errors import LONGEST
from engine.models.memory import free_bytes


def find_device(wanted: str, key: str) -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU; ``key`` is the configuration's, for the message.

    Raises:
        ModelError: if this machine has no such device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    found = device_names()
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or (str(device) not in found and f"{device}:0" not in found):
        raise ModelError(f"{key} is {wanted!r}; this machine has auto, {', '.join(found)}")
    return device


class Room(NamedTuple):
    """Memory of one device, in bytes: free now, and in all."""

    free: int
    total: int


def device_names() -> list[str]:
    """The devices of this machine by the names that torch has for them, the host first."""
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def room_of(name: str) -> Room:
    """Memory of one of the ``device_names``.

    The host's is what its control groups leave to this process, with the swap space. A GPU's free
    memory is asked for by a context on it, which takes some itself: ask of those that are used.

    Raises:
        ModelError: if the device is there and does not answer.
    """
    if name == "cpu":
        return _room_of_host()
    try:
        free = free_bytes(torch.device(name))
        if name.startswith("cuda"):
            return Room(free, int(torch.cuda.get_device_properties(name).total_memory))
    except RuntimeError as error:  # CUDA's: lost, taken by one process alone, out of memory
        reason = " ".join(str(error).split())[:LONGEST]
        raise ModelError(f"{name} can't be used: {reason}") from error
    return Room(free, max(free, _room_of_host().total))  # of an Apple GPU, which shares it


def _room_of_host() -> Room:
    import psutil

    swap = int(psutil.swap_memory().total)
    total = int(psutil.virtual_memory().total) + swap
    group = group_memory(swap)
    total = total if group is None else min(total, group.total)
    return Room(min(free_bytes(torch.device("cpu")), total), total)


def name_in_full(device: torch.device) -> str:
    """As in ``device_names``: ``cuda`` is the CUDA device that is used by default."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return f"cuda:{index}"
    return device.type

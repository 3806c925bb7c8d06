"""The torch device that ``llm.device`` or ``vlm.device`` names, and what it has of memory."""

from __future__ import annotations

from typing import NamedTuple

import torch

from engine.common.errors import ModelError
from engine.models.memory import free_bytes, group_limit


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

    The host's is what its control group leaves to this process, with the swap space. A GPU's free
    memory is asked for by a context on it, which takes some itself: ask of those that are used.
    """
    free = free_bytes(torch.device(name))
    if name.startswith("cuda"):
        return Room(free, int(torch.cuda.get_device_properties(name).total_memory))
    import psutil

    total = psutil.virtual_memory().total + psutil.swap_memory().total
    total = min(total, group_limit() or total)
    return Room(min(free, total), total)


def name_in_full(device: torch.device) -> str:
    """As in ``device_names``: ``cuda`` is the CUDA device that is used by default."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return f"cuda:{index}"
    return device.type

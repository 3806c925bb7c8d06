"""The device of ``vlm.device``."""

from __future__ import annotations

import torch

from engine.common.errors import ModelError


def resolve_device(wanted: str) -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU.

    Raises:
        ModelError: if this machine has no such device.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or (str(device) not in found and f"{device}:0" not in found):
        raise ModelError(f"vlm.device is {wanted!r}; this machine has auto, {', '.join(found)}")
    return device

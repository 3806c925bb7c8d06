"""How much memory images' prefixes take, and how much they may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from engine.models.memory import free_bytes

GIB = 2**30
_SHARE = 2
"""Of the free memory, one part in so many is for what is kept; the rest is for work."""


@dataclass(frozen=True, slots=True)
class PrefixMemory:
    """Bytes for what is kept of images; None: half of what is free when the first ones are read."""

    device: int | None = None
    host: int | None = None
    group_bytes: int = 4 * GIB
    """That the prefixes of a group take, at most, if it is more than one image's."""

    def rooms(self, device: torch.device) -> tuple[int, int, int]:
        """Bytes for prefixes on the device, for prefixes on the host, and for tower's features."""
        host = free_bytes(torch.device("cpu")) // _SHARE if self.host is None else self.host
        if device.type == "cpu":  # one memory for all: prefixes first
            own = host // 2 if self.device is None else self.device
            return own, 0, max(host - own, 0)
        own = free_bytes(device) // _SHARE if self.device is None else self.device
        return own, host // 2, host // 2


def configured(gib: float | Literal["auto"]) -> PrefixMemory:
    """What ``vlm.prefix_gib`` says."""
    return PrefixMemory(device=None if gib == "auto" else int(gib * GIB))


def bytes_per_token(config: Any, dtype: torch.dtype) -> int:
    """What keys and values of all layers take for one token, by a model's configuration.

    0 for a model without attention.
    """
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_key_value_heads", None) or getattr(text, "num_attention_heads", 0)
    if not heads:
        return 0
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * width * dtype.itemsize)

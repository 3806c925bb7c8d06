"""What one model takes of the memory of the device that it is on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.config import Quantization
from engine.placement.stored import FLOATS, Stored

_PER_WEIGHT: Mapping[Quantization, float] = {"4bit": 0.5 + (1 + 4 / 256) / 64, "8bit": 1.0}
"""Bytes: four bits and a scale of one byte for 64 of them, or eight (bitsandbytes)."""
MOST_LAYERS = 2000
"""More than any model has."""
_NEVER_QUANTIZED = (
    "embed",
    "lm_head",
    "wte",
    "wpe",
    ".experts.",  # of a mixture: one parameter for all of a layer, and no linear layer
    "vision",
    "visual",
    "projector",
    "connector",
    "image_projection",
    "aligner",
    "mlp1",
)
"""Parts of names."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that a model takes; ``work`` is what comes to the weights while it runs, at most."""

    what: str  # LLM, VLM, embedder, judge
    key: Literal["llm", "vlm"]  # its section of the configuration
    model: str
    devices: tuple[str, ...]  # it is spread over, if they are more than one
    weights: int | None  # None: not known
    rests_on: str  # what that was read from, or why it is not known
    work: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Weights, as far as they are known, and work."""
        return (self.weights or 0) + sum(self.work.values())


def check_layers(found: object) -> None:
    """See that a configuration has as many layers as a model may have.

    Raises:
        ValueError: if it is damaged: to build so many would never end.
    """
    layers = sum(found) if isinstance(found, list) else found
    if not isinstance(layers, int) or not 0 <= layers <= MOST_LAYERS:
        raise ValueError(f"its configuration says that it has so many layers: {found}")


def loaded_bytes(
    tensors: Iterable[Stored],
    bytes_each: int,
    *,
    stored_bytes_each: int = 2,
    quantization: Quantization = "none",
    tied: bool = False,
    unpacked: bool = False,
) -> int:
    """What tensors take once they are loaded.

    Args:
        tensors: of the model's files.
        bytes_each: of a number in the type that the model is loaded in.
        stored_bytes_each: of a number in pickled files, which do not tell.
        quantization: of its linear layers, when they are loaded. What is stored in less than 16
            bits stays as it is.
        unpacked: whether what is stored in 8 bits or 4 (MXFP4) is made numbers of ``bytes_each``.
        tied: whether the layer that gives the logits is the embedding, and takes none itself.
    """
    total = 0.0
    for tensor in tensors:
        if tied and tensor.name in ("lm_head.weight", "output.weight"):
            continue
        if tensor.is_pickled:
            total += tensor.bytes / stored_bytes_each * _PER_WEIGHT.get(quantization, bytes_each)
        elif tensor.dtype not in FLOATS:
            total += _unpacked(tensor) * bytes_each if unpacked else tensor.bytes
        elif quantization != "none" and _is_linear(tensor):
            total += tensor.numel * _PER_WEIGHT[quantization]
        else:
            total += tensor.numel * bytes_each
    return int(total)


def _is_linear(tensor: Stored) -> bool:
    name = tensor.name
    is_matrix = len(tensor.shape) == 2 and name.endswith(".weight")
    return is_matrix and not any(part in name for part in _NEVER_QUANTIZED)


def _unpacked(tensor: Stored) -> int:
    """How many numbers are in one that is stored in few bits; none in what only scales them."""
    if tensor.name.endswith("_scales"):
        return 0
    return 2 * tensor.numel if tensor.name.endswith("_blocks") else tensor.numel

"""What a VLM's vision tower makes of images: computed apart from the rest, kept, and handed back.

transformers' models take it in place of pixels (``mm_encoder_outputs``). What they want there is
what their own ``get_image_features`` gives: a list or a tuple with a tensor per image, or one
tensor of all, and beside it the features of deeper layers, if they have some.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.utils.generic import ModelOutput

from engine.vlm.encoder_decoder.reading import Inputs, image_token

_OF_AN_IMAGE = frozenset(
    {
        "pixel_values",
        "pixel_attention_mask",
        "image_sizes",
        "image_grid_thw",
        "image_grids",
        "batch_num_images",
    }
)
"""What towers read that may be of several images, one behind the other. Others hold indices."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenImage:
    """An image as the model reads it without its tower, and what of it the tower made."""

    inputs: dict[str, Tensor]  # ``input_ids`` (1, L) and what goes with them
    features: Tensor  # (1 + deeper layers, its tokens, d), in the model's precision
    listed: bool  # whether the model wants a list with a tensor per image

    @property
    def bytes(self) -> int:
        """That the features take."""
        return self.features.nbytes

    def to(self, device: torch.device) -> SeenImage:
        """With everything on a device."""
        inputs = {name: value.to(device) for name, value in self.inputs.items()}
        return SeenImage(inputs, self.features.to(device), self.listed)


@dataclass
class _HandedBack(ModelOutput):
    """What a model's ``get_image_features`` would have given."""

    pooler_output: Any = None
    deepstack_features: Any = None


class VisionTower:
    """The vision tower of one model, and what of an image's inputs it reads."""

    def __init__(self, model: Any) -> None:
        base = model.base_model
        self._image_token = image_token(model.config) or 0
        self._encode = getattr(base, "get_image_features", None)
        takes = inspect.signature(model.forward).parameters
        self.is_apart = self._encode is not None and "mm_encoder_outputs" in takes
        """Whether its features can be handed back."""
        read = set(inspect.signature(self._encode).parameters) if self._encode else set()
        places = getattr(base, "get_rope_index", None)
        also = set(inspect.signature(places).parameters) if places else set()
        self._reads = frozenset(read - {"kwargs"})
        self._only_reads = frozenset(self._reads - also)

    def takes_together(self, inputs: Inputs) -> bool:
        """Whether the tower can be given several images with inputs like these at once."""
        return self.is_apart and (self._reads & set(inputs)) <= _OF_AN_IMAGE

    def rest(self, inputs: Inputs) -> dict[str, Tensor]:
        """The inputs without what only the tower reads."""
        return {name: value for name, value in inputs.items() if name not in self._only_reads}

    @torch.inference_mode()
    def see(self, images: Sequence[Inputs]) -> list[SeenImage] | None:
        """What the tower makes of images; their inputs have one shape each.

        None if it comes in a form that can't be handed back.
        """
        if not self.is_apart:
            return None
        assert self._encode is not None
        if len(images) > 1 and not self.takes_together(images[0]):
            alone = [self.see([inputs]) for inputs in images]
            return None if None in alone else [one[0] for one in alone if one]
        own = self._reads & set(images[0])
        joined = {name: torch.cat([inputs[name] for inputs in images]) for name in own}
        found = self._encode(**joined, return_dict=True)
        pooled = getattr(found, "pooler_output", None)
        deeper = getattr(found, "deepstack_features", None) or ()
        flat = [_flat(layer) for layer in (pooled, *deeper)]
        layers = [layer for layer in flat if layer is not None]
        counts = [int(inputs["input_ids"].eq(self._image_token).sum()) for inputs in images]
        shapes = {layer.shape for layer in layers}
        if len(layers) < len(flat) or len(shapes) > 1 or len(layers[0]) != sum(counts):
            return None
        listed = not isinstance(pooled, Tensor)
        parts = torch.split(torch.stack(layers), counts, dim=1)
        return [
            SeenImage(self.rest(inputs), part.clone() if len(images) > 1 else part, listed)
            for inputs, part in zip(images, parts, strict=True)
        ]


def handed_back(images: Sequence[SeenImage]) -> dict[str, Any]:
    """What the model is given for the pixels of images, one a row."""
    layers = [_as_given([i.features[n] for i in images], images[0].listed) for n in _layers(images)]
    return {"mm_encoder_outputs": {"image": _HandedBack(layers[0], layers[1:] or None)}}


def joined(images: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Inputs of images as one batch; each has the same shapes."""
    return {name: torch.cat([inputs[name] for inputs in images]) for name in images[0]}


def _layers(images: Sequence[SeenImage]) -> range:
    return range(len(images[0].features))


def _as_given(features: list[Tensor], listed: bool) -> list[Tensor] | Tensor:
    return features if listed else torch.cat(features)[None]


def _flat(found: Any) -> Tensor | None:
    """(tokens, d) of a tensor, or of a list or tuple of tensors; None of anything else."""
    parts = [found] if isinstance(found, Tensor) else found
    if not isinstance(parts, list | tuple) or not all(isinstance(p, Tensor) for p in parts):
        return None
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])

"""How an image is read once, and texts behind it: keys and values that all questions share.

Everything goes through the model as a whole, under explicit masks and positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.models.kv_cache import GrowingLayer

_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}

Inputs = Mapping[str, Tensor]
"""What a processor makes of one image and a text: ``input_ids`` (1, L), pixels, and more."""

Tokens = Sequence[int] | Sequence[Sequence[int]]
"""Token ids that all images have behind them, or those of each image, all of one length."""


def as_rows(tokens: Tokens, images: int) -> Tensor:
    """The token ids of each image, (images, T)."""
    ids = torch.tensor(tokens, dtype=torch.long)
    return ids.expand(images, -1) if ids.dim() == 1 else ids


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrefix:
    """Keys and values of all that comes before a question: (1, heads, length, d) of each layer."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    length: int
    next_position: int  # of the first token behind it; families count images differently
    home: tuple[torch.device, ...] = ()  # of each layer, where it is elsewhere now

    @property
    def bytes(self) -> int:
        """That it takes."""
        return sum(t.nbytes for pair in self.layers for t in pair)

    def away(self, device: torch.device) -> ImagePrefix:
        """With keys and values on this device, for a while."""
        home = tuple(keys.device for keys, _ in self.layers)
        layers = tuple((keys.to(device), values.to(device)) for keys, values in self.layers)
        return ImagePrefix(layers, self.length, self.next_position, home)

    def at_home(self) -> ImagePrefix:
        """With keys and values where the model's layers are, which may be on several devices."""
        if not self.home:
            return self
        layers = tuple(
            (keys.to(device), values.to(device))
            for (keys, values), device in zip(self.layers, self.home, strict=True)
        )
        return ImagePrefix(layers, self.length, self.next_position)


def cut_inputs(inputs: Inputs, length: int) -> dict[str, Tensor]:
    """Inputs with only the first ``length`` tokens; what isn't per token stays whole."""
    shape = inputs["input_ids"].shape
    return {
        name: value[:, :length] if value.shape == shape else value for name, value in inputs.items()
    }


def read_prefix(model: Any, inputs: Inputs) -> ImagePrefix:
    """Read the text before an image and the image; ``inputs`` end with the image's last token."""
    return read_prefixes(model, inputs)[0]


@torch.inference_mode()
def read_prefixes(
    model: Any, inputs: Inputs, seen: Mapping[str, Any] | None = None
) -> list[ImagePrefix]:
    """The same of several images of one length: a row of ``input_ids`` (images, L) each.

    Args:
        model: an image-text-to-text model of transformers.
        inputs: with pixels, if nothing was ``seen``.
        seen: what the model is given in place of pixels.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    count, length = inputs["input_ids"].shape
    given = {**inputs, **(seen or {}), "attention_mask": torch.ones_like(inputs["input_ids"])}
    model(**given, cache=cache, use_cache=True, logits_to_keep=1)
    shift = getattr(model.model, "rope_deltas", None)  # state of the module, of the last call
    behind = [length] * count if shift is None else (shift.reshape(-1) + length).tolist()
    layers = _pairs(cache)
    if count == 1:
        return [ImagePrefix(layers, length, int(behind[0]))]
    return [  # each in memory of its own, so that one can go without the others
        ImagePrefix(
            tuple((keys[[row]], values[[row]]) for keys, values in layers), length, int(place)
        )
        for row, place in enumerate(behind)
    ]


@torch.inference_mode()
def text_prefix(model: Any, ids: Tensor) -> ImagePrefix:
    """The same of tokens without an image, (1, L), under positions that no image has moved."""
    from transformers import DynamicCache

    cache = DynamicCache()
    length = ids.shape[1]
    Reader(model).read_on(cache, ids, torch.arange(length), keep=1)
    return ImagePrefix(_pairs(cache), length, length)


def image_token(config: Any) -> int | None:
    """The token that stands for an image's features; None for a kind of model that has none."""
    for name in ("image_token_id", "image_token_index"):
        token = getattr(config, name, None)
        if token is not None:
            return int(token)
    return None


def _pairs(cache: Any) -> tuple[tuple[Tensor, Tensor], ...]:
    """The keys and values of each layer.

    Raises:
        ModelError: if a layer has a recurrent state in their place.
    """
    if any(not isinstance(getattr(layer, "keys", None), Tensor) for layer in cache.layers):
        raise ModelError(
            "the VLM has layers without keys and values (linear attention), which can't share an "
            "image between questions; choose another vlm.model"
        )
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def grown_inputs(inputs: Inputs, tokens: Sequence[int]) -> dict[str, Tensor]:
    """Inputs with text tokens behind them; what isn't per token stays as it is."""
    ids = inputs["input_ids"]
    whole = torch.cat([ids, torch.tensor([list(tokens)], device=ids.device)], dim=1)
    grown = {
        key: torch.cat([value, value.new_zeros(1, len(tokens))], dim=1)
        for key, value in inputs.items()
        if value.shape == ids.shape
    }
    return {**inputs, **grown, "input_ids": whole, "attention_mask": torch.ones_like(whole)}


def tolerance(model: Any) -> float:
    """Nats, by which a fast reading may differ from a plain one in the model's precision."""
    return _TOLERANCE.get(model.dtype, 0.5)


def cache_of(prefixes: Sequence[ImagePrefix], more: int) -> Any:
    """The keys and values of images in one cache that grows, with room for ``more`` tokens.

    Raises:
        ValueError: if the prefixes differ in length.
    """
    from transformers import DynamicCache

    first = prefixes[0]
    if any((p.length, p.next_position) != (first.length, first.next_position) for p in prefixes):
        raise ValueError("images of different lengths can't be read together")
    cache = DynamicCache()
    for layer in range(len(first.layers)):
        rows = [prefix.layers[layer] for prefix in prefixes]
        cache.layers.append(GrowingLayer.of(rows, first.length + more))
    return cache


class Reader:
    """Reads tokens of several images at once, behind keys and values of one length."""

    def __init__(self, model: Any) -> None:
        self._model = model
        text = model.config.get_text_config(decoder=True)
        self._window = getattr(text, "sliding_window", None)
        kinds = set(getattr(text, "layer_types", None) or ())
        self._kinds = kinds if "sliding_attention" in kinds else set()
        # Families with positions in three dimensions take one of each.
        self._dimensions = 3 if hasattr(model.model, "rope_deltas") else 0
        self._eager = getattr(text, "_attn_implementation", "sdpa") == "eager"

    def read_on(
        self, cache: Any, ids: Tensor, positions: Tensor, seen: Tensor | None = None, keep: int = 0
    ) -> Tensor:
        """Tokens behind what is in a cache, which grows by them.

        Args:
            cache: of ``cache_of``; all tokens attend to all that is in it.
            ids: (images, T)
            positions: (T,)
            seen: (T, T), which of the tokens each attends to; None: those before it, and itself.
            keep: of how many of the last tokens logits are wanted, 0 for all.

        Returns:
            Next-token logits (images, T or ``keep``, V).
        """
        length, count = cache.get_seq_length(), ids.shape[1]
        places = positions.to(ids.device)[None].expand(len(ids), -1)
        if self._dimensions:
            places = places[None].expand(self._dimensions, -1, -1)
        result = self._model(
            input_ids=ids,
            cache=cache,
            use_cache=True,
            attention_mask=self._masks(length, count, positions, seen, ids.device),
            position_ids=places,
            logits_to_keep=keep,
        )
        logits: Tensor = result.logits
        return logits

    def _masks(
        self, length: int, count: int, positions: Tensor, seen: Tensor | None, device: torch.device
    ) -> Any:
        """A mask for all layers, or one for each kind of layer.

        None where a single token sees everything: attention is fastest without any.
        """
        whole = None
        if seen is not None or count > 1:
            seen = torch.ones(count, count, dtype=torch.bool).tril() if seen is None else seen
            whole = torch.cat([torch.ones(count, length, dtype=torch.bool), seen], dim=1)
        if not self._kinds:
            return self._as_mask(whole, device)
        near = whole
        if self._window is not None and length + count > self._window:
            places = torch.cat([torch.arange(length), positions])
            near = positions[:, None] - places[None, :] < self._window
            near = near if whole is None else near & whole
        masks = {"sliding_attention": self._as_mask(near, device)}
        return {kind: masks.get(kind, self._as_mask(whole, device)) for kind in self._kinds}

    def _as_mask(self, seen: Tensor | None, device: torch.device) -> Tensor | None:
        if seen is None:
            return None
        mask = seen[None, None].to(device)
        if not self._eager:
            return mask
        dtype = self._model.dtype
        blocked = torch.finfo(dtype).min
        return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(~mask, blocked)

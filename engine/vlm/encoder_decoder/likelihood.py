"""How likely each class name is as the answer to a question about an image.

The keys and values of the image are read once (``ImagePrefix``) and shared by all questions, those
of the question by all class names, and the names are read as a trie packed in one row: no parsing
of answers and no sampling. Everything goes through the model as a whole, under explicit masks and
positions; ``one_by_one`` is what it is held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.vlm.encoder_decoder.class_trie import ROOT, ClassTrie

Inputs = Mapping[str, Tensor]
"""What a processor makes of one image and a text: ``input_ids`` (1, L), pixels, and more."""

ROWS_AT_ONCE = 256
"""Rows of next-token logits that are held at once: with a vocabulary of 150,000, 150 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrefix:
    """Keys and values of all that comes before a question: (1, heads, length, d) of each layer."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    length: int
    next_position: int  # of the first token behind it; families count images differently

    @property
    def bytes(self) -> int:
        """That it takes."""
        return sum(t.numel() * t.element_size() for pair in self.layers for t in pair)


def cut_inputs(inputs: Inputs, length: int) -> dict[str, Tensor]:
    """Inputs with only the first ``length`` tokens; what isn't per token stays whole."""
    shape = inputs["input_ids"].shape
    return {
        name: value[:, :length] if value.shape == shape else value for name, value in inputs.items()
    }


@torch.inference_mode()
def read_prefix(model: Any, inputs: Inputs) -> ImagePrefix:
    """Read the text before an image and the image; ``inputs`` end with the image's last token."""
    from transformers import DynamicCache

    cache = DynamicCache()
    length = inputs["input_ids"].shape[1]
    mask = torch.ones_like(inputs["input_ids"])
    model(**{**inputs, "attention_mask": mask}, cache=cache, use_cache=True, logits_to_keep=1)
    shift = getattr(model.model, "rope_deltas", None)  # state of the module, of the last call
    behind = length if shift is None else length + int(shift.reshape(-1)[0])
    return ImagePrefix(_pairs(cache), length, behind)


@torch.inference_mode()
def class_log_likelihoods(
    model: Any,
    prefixes: Sequence[ImagePrefix],
    question: Sequence[int],
    trie: ClassTrie,
    rows: int = ROWS_AT_ONCE,
) -> Tensor:
    """The log-likelihood that the answer begins with each class name, (images, classes), nats.

    Args:
        model: an image-text-to-text model of transformers.
        prefixes: of images, all of the same length and next position.
        question: token ids from behind the image to where the answer begins.
        trie: of the class names' tokens.
        rows: of next-token logits that are held at once.

    Raises:
        ValueError: if the prefixes differ in length.
    """
    first = prefixes[0]
    if any((p.length, p.next_position) != (first.length, first.next_position) for p in prefixes):
        raise ValueError("images of different lengths can't be read together")
    reader = _Reader(model, len(prefixes))
    past = tuple(_stacked([p.layers[i] for p in prefixes]) for i in range(len(first.layers)))
    places = torch.arange(len(question))
    logits, past = reader.read(
        past, question, places + first.next_position, places[:, None] >= places[None, :], keep=1
    )
    start = first.next_position + len(question)
    by_draw: dict[tuple[int, int], Tensor] = {}
    draws: dict[int, list[int]] = {}
    for path in trie.paths:
        for node, token in path:
            draws.setdefault(node, []).append(token)

    def note(nodes: Sequence[int], logits: Tensor) -> None:
        found = logits.float().log_softmax(-1)
        for row, node in enumerate(nodes):
            for token in set(draws[node]):
                by_draw[node, token] = found[:, row, token]

    note([ROOT], logits)
    for nodes in trie.chunks(max(1, rows // len(prefixes))):
        index = {node: row for row, node in enumerate(nodes)}
        seen = torch.zeros(len(nodes), len(nodes), dtype=torch.bool)
        depths = []
        for node in nodes:
            lineage = trie.ancestors(node)
            seen[index[node], [index[a] for a in lineage]] = True
            depths.append(len(lineage) - 1)
        tokens = [trie.tokens[node] for node in nodes]
        logits, _ = reader.read(past, tokens, start + torch.tensor(depths), seen)
        note(nodes, logits)
    sums = [sum((by_draw[draw] for draw in path[1:]), by_draw[path[0]]) for path in trie.paths]
    return torch.stack(sums, dim=-1)


@torch.inference_mode()
def one_by_one(model: Any, inputs: Inputs, name: Sequence[int]) -> float:
    """The same of one image and one name, as plainly as it can be read: for comparison.

    ``inputs`` end where the answer begins.
    """
    ids = inputs["input_ids"]
    whole = torch.cat([ids, torch.tensor([list(name)], device=ids.device)], dim=1)
    grown = {
        key: torch.cat([value, value.new_zeros(1, len(name))], dim=1)
        for key, value in inputs.items()
        if value.shape == ids.shape
    }
    grown |= {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
    logits = model(**{**inputs, **grown}, use_cache=False).logits[0].float().log_softmax(-1)
    start = ids.shape[1] - 1
    return float(sum(logits[start + i, token] for i, token in enumerate(name)))


def _stacked(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    keys, values = zip(*pairs, strict=True)
    return torch.cat(keys), torch.cat(values)


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


class _Reader:
    """Reads tokens behind keys and values that are kept as they are."""

    def __init__(self, model: Any, images: int) -> None:
        self._model, self._images = model, images
        text = model.config.get_text_config(decoder=True)
        self._window = getattr(text, "sliding_window", None)
        kinds = set(getattr(text, "layer_types", None) or ())
        self._kinds = kinds if "sliding_attention" in kinds else set()
        # Families with positions in three dimensions take one of each.
        self._dimensions = 3 if hasattr(model.model, "rope_deltas") else 0
        self._eager = getattr(text, "_attn_implementation", "sdpa") == "eager"

    def read(
        self,
        past: Sequence[tuple[Tensor, Tensor]],
        tokens: Sequence[int],
        positions: Tensor,
        seen: Tensor,
        keep: int = 0,
    ) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        """Next-token logits (images, tokens or ``keep``, V), and the keys and values after it.

        ``positions`` (T,) and ``seen`` (T, T), which of the tokens each attends to; all attend to
        all of the past.
        """
        from transformers import DynamicCache

        device = past[0][0].device
        length = past[0][0].shape[-2]
        ids = torch.tensor([list(tokens)], device=device).expand(self._images, -1)
        whole = torch.cat([torch.ones(len(tokens), length, dtype=torch.bool), seen], dim=1)
        places = positions.to(device)[None].expand(self._images, -1)
        if self._dimensions:
            places = places[None].expand(self._dimensions, -1, -1)
        cache = DynamicCache(ddp_cache_data=list(past))
        result = self._model(
            input_ids=ids,
            cache=cache,
            use_cache=True,
            attention_mask=self._mask(whole, device),
            position_ids=places,
            logits_to_keep=keep,
        )
        return result.logits, _pairs(cache)

    def _mask(self, whole: Tensor, device: torch.device) -> Any:
        mask = whole[None, None].to(device)
        if self._eager:
            dtype = self._model.dtype
            mask = torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(
                ~mask, torch.finfo(dtype).min
            )
        if not self._kinds:
            return mask
        if self._window is not None and whole.shape[1] > self._window:
            raise ValueError("the image and the question are longer than the sliding window")
        return dict.fromkeys(self._kinds, mask)

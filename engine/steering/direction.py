"""The steering vectors: per decoder layer, the mean hidden state of P+ minus that of P-.

PAPER, The algorithm, 4 (equation 3). The hidden state of layer l is the output of decoder layer l,
0-based, read with hooks: the embedding output is no layer, and the last layer is read before the
final norm, so that a vector is taken from the same space that it is added to.

``Direction`` can be imported without torch; only computing one needs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.config import Pooling

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """Steering vectors d_l = H+_l - H-_l of one pair of templates, and how strong they are.

    ``offsets``: (L, d), float32, on the CPU; alpha is not in it. ``norms[l]``: Euclidean norm of
    d_l. ``ratios[l]``: ``norms[l]`` over ``hidden_norms[l]``, so alpha times it is the strength of
    the steering. ``hidden_norms[l]``: mean norm of the hidden states of both texts at layer l, BOS
    left out, as its state is an attention sink of many times the usual norm. ``states``: of the
    tokens of P+ and of P-, (L, S+, d) and (L, S-, d), with BOS where ``start`` is 1.
    """

    positive: str
    negative: str
    pool: Pooling
    offsets: Tensor
    norms: tuple[float, ...]
    hidden_norms: tuple[float, ...]
    ratios: tuple[float, ...]
    states: tuple[Tensor, Tensor]
    start: int

    @property
    def layers(self) -> int:
        """Number of decoder layers, L."""
        return len(self.norms)

    def neighbour_cosines(self) -> tuple[float, ...]:
        """Cosine of each layer's vector with the layer below, -1 to 1; layer 0 has 0."""
        return (0.0, *_cosines(self.offsets[1:], self.offsets[:-1]))

    def cosines(self, other: Direction) -> tuple[float, ...]:
        """Cosine of each layer's vector with the same layer of ``other``, -1 to 1.

        Raises:
            ValueError: if the two come from models of different shapes.
        """
        if self.offsets.shape != other.offsets.shape:
            raise ValueError(f"shapes differ: {self.offsets.shape} and {other.offsets.shape}")
        return _cosines(self.offsets, other.offsets)


def _cosines(a: Tensor, b: Tensor) -> tuple[float, ...]:
    """Row by row; 0 where a row is all zero."""
    dots = (a * b).sum(-1)
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    values = (dots / norms.clamp_min(1e-30)).clamp(-1, 1).tolist()
    return tuple(float(value) for value in values)


def compute_direction(
    model: Any,
    tokenizer: Any,
    layers: Sequence[nn.Module],
    positive: str,
    negative: str,
    pool: Pooling,
    padding_token: int | None = None,
    aligned: bool = False,
) -> Direction:
    """Read both bare template texts and subtract their mean hidden states, layer by layer.

    ``layers`` are the model's decoder layers in order. ``pool`` says which tokens the mean is
    over: ``no-bos`` all but the BOS (all, where the tokenizer adds none), ``paper`` all of them,
    each text at its own length (equation 3), ``reference`` all of them after the shorter text is
    padded with ``padding_token`` (the end of a turn) to the length of the longer, unmasked;
    ``last`` takes the last token in place of a mean. With ``aligned`` the shorter text is padded
    with spaces, as ActAdd does, so that ``states`` can be subtracted token by token; the means
    are over the text's own tokens all the same.

    Raises:
        ValueError: if a text has no token, or there is no token to pad with.
    """
    import torch  # here, so that the optimiser can import Direction without torch

    texts = [_token_ids(tokenizer, text) for text in (positive, negative)]
    starts = [_content_start(tokenizer, ids) for ids in texts]
    for text, ids, start in zip((positive, negative), texts, starts, strict=True):
        if len(ids) <= start:
            raise ValueError(f"the text {text!r} has no token to take a hidden state of")
    lengths = [len(ids) for ids in texts]
    if pool == "reference":
        if padding_token is None:
            raise ValueError("pool = 'reference' pads with the end-of-turn token; there is none")
        texts = _padded(texts, padding_token)
    elif aligned:
        texts = _padded(texts, _space_token(tokenizer, padding_token))

    means: list[Tensor] = []
    norms: list[Tensor] = []
    states: list[Tensor] = []
    with torch.inference_mode():
        for ids, start, length in zip(texts, starts, lengths, strict=True):
            # (L, S, d); the layers may be on several devices
            read = torch.stack([h.cpu() for h in layer_outputs(model, layers, ids)])
            means.append(_pooled(read, pool, start, length))
            norms.append(read[:, start:length].norm(dim=-1).sum(-1))
            states.append(read)
        offsets = (means[0] - means[1]).contiguous()  # (L, d)
        tokens = sum(length - start for length, start in zip(lengths, starts, strict=True))
        hidden_norms = ((norms[0] + norms[1]) / tokens).tolist()
        vector_norms = offsets.norm(dim=-1).tolist()
    return Direction(
        positive=positive,
        negative=negative,
        pool=pool,
        # A clone made outside inference mode is an ordinary tensor, which any caller can use.
        offsets=offsets.clone(),
        norms=tuple(vector_norms),
        hidden_norms=tuple(hidden_norms),
        ratios=tuple(
            d / h if h > 0 else math.inf if d > 0 else 0.0
            for d, h in zip(vector_norms, hidden_norms, strict=True)
        ),
        states=(states[0].clone(), states[1].clone()),
        start=starts[0],
    )


def _pooled(states: Tensor, pool: Pooling, start: int, length: int) -> Tensor:
    """One state a layer, (L, d), of the states (L, S, d) of a text of ``length`` tokens."""
    if pool == "last":
        return states[:, length - 1]
    if pool == "reference":
        return states.mean(1)
    return states[:, start if pool == "no-bos" else 0 : length].mean(1)


def _padded(texts: list[list[int]], token: int) -> list[list[int]]:
    longest = max(len(ids) for ids in texts)
    return [ids + [token] * (longest - len(ids)) for ids in texts]


def _space_token(tokenizer: Any, fallback: int | None) -> int:
    ids = list(tokenizer(" ", add_special_tokens=False)["input_ids"]) or [fallback]
    if ids[-1] is None:
        raise ValueError("the tokenizer has no token for a space, to pad the shorter text with")
    return int(ids[-1])


def layer_outputs(model: Any, layers: Sequence[nn.Module], ids: Sequence[int]) -> list[Tensor]:
    """Output of every decoder layer for one text: L tensors (S, d) in float32.

    Raises:
        RuntimeError: if a layer was not run, or its output is no (1, S, d) tensor or tuple.
    """
    import torch

    from engine.steering.injection import hidden_state, input_device

    outputs: list[Tensor | None] = [None] * len(layers)

    def reader(index: int) -> Any:
        def read(_module: nn.Module, _args: Any, output: Any) -> None:
            outputs[index] = hidden_state(output)[0].float()

        return read

    handles = [layer.register_forward_hook(reader(i)) for i, layer in enumerate(layers)]
    try:
        model(input_ids=torch.tensor([list(ids)], device=input_device(model)), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    read = [output for output in outputs if output is not None]
    if len(read) != len(layers):
        raise RuntimeError(f"only {len(read)} of {len(layers)} decoder layers ran")
    return read


def _token_ids(tokenizer: Any, text: str) -> list[int]:
    """The bare text as the tokenizer reads text: with BOS where it adds one, no chat template."""
    return list(tokenizer(text, add_special_tokens=True)["input_ids"])


def _content_start(tokenizer: Any, ids: Sequence[int]) -> int:
    """1 where the text begins with BOS, else 0."""
    bos = tokenizer.bos_token_id
    return int(bos is not None and bool(ids) and ids[0] == bos)

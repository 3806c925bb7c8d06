"""The steering vectors: per decoder layer, the mean hidden state of P+ minus that of P-.

docs/glov.md, 4 (equation 3). The hidden state of layer l is the output of decoder layer l,
0-based, read with hooks: the embedding output is no layer, and the last layer is read before the
final norm, so that a vector is taken from the same space that it is added to.

``Direction`` can be imported without torch; only computing one needs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.config import AlphaUnit, Pooling, SteeringMode
from engine.steering.soundness import REGISTER_TIMES, Register
from engine.steering.text_tokens import TextTokens, find_front, split_tokens

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """Steering vectors d_l = H+_l - H-_l of one pair of templates, and how strong they are.

    ``offsets``: (L, d), float32, on the CPU; alpha is not in it. ``norms[l]``: Euclidean norm of
    d_l. ``ratios[l]``: ``norms[l]`` over ``hidden_norms[l]``, so alpha times it is the strength of
    the steering. ``hidden_norms[l]``: mean norm of the hidden states of both texts' own tokens at
    layer l, so without the attention sink. ``states``: what both texts are read as, (L, S+, d) and
    (L, S-, d); the first ``start`` of each, 1 or more, stand in front of the text and are equal in
    both, ``front`` is their token where the tokenizer adds none by itself.

    ``sink_shares[l]``: the part that the first position has in d_l, as a share of the squared norm,
    0 to 1; 0 in pools that leave it out. ``peaks[l]``: the own token whose state stands out most.
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
    front: str | None
    sink_shares: tuple[float, ...]
    peaks: tuple[Register, ...]

    def registers(self, layers: Sequence[int]) -> tuple[Register, ...]:
        """Of these layers, the states that stand out so much that they speak for the text."""
        return tuple(p for p in self.peaks if p.layer in layers and p.times >= REGISTER_TIMES)

    @property
    def layers(self) -> int:
        """Number of decoder layers, L."""
        return len(self.norms)

    def figures(self, layers: Sequence[int]) -> dict[str, Any]:
        """What ``SteeringPrepared`` says of a direction that steers these layers."""
        return {
            "norms": self.norms,
            "ratios": self.ratios,
            "hidden_norms": self.hidden_norms,
            "neighbour_cosines": self.neighbour_cosines(),
            "front": self.front,
            "sink_shares": self.sink_shares,
            "registers": self.registers(layers),
        }

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


@dataclass(frozen=True, slots=True)
class Steering:
    """An offset to add while decoding: ``alpha * direction.offsets[layer]`` at each layer."""

    direction: Direction
    layers: tuple[int, ...]  # 0-based decoder layers
    alpha: float
    mode: SteeringMode
    alpha_unit: AlphaUnit = "absolute"


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
    over: ``no-bos`` the text's own ones, behind a special token that takes the attention sink
    (``engine.steering.text_tokens``); ``paper`` all that the tokenizer gives, each text at its own
    length (equation 3); ``reference`` all of them after the shorter text is padded with
    ``padding_token`` (the end of a turn) to the length of the longer, unmasked; ``last`` takes the
    text's last token in place of a mean. With ``aligned`` the shorter text is padded with spaces,
    as ActAdd does, so that ``states`` can be subtracted token by token; the means are over the
    text's own tokens all the same.

    Raises:
        ValueError: if a text has no token, or there is no token to pad with or to put in front.
    """
    import torch  # here, so that the optimiser can import Direction without torch

    from engine.steering.layers import layer_outputs, text_config

    texts = [split_tokens(tokenizer, text) for text in (positive, negative)]
    for text, tokens in zip((positive, negative), texts, strict=True):
        if not tokens.own:
            raise ValueError(f"the text {text!r} has no token to take a hidden state of")
    front = find_front(tokenizer, texts, text_config(model).vocab_size)
    start = len(front.ids)
    ends = [start + len(tokens.own) for tokens in texts]
    fronted = [[*front.ids, *tokens.own] for tokens in texts]
    if aligned and len(texts[0].own) != len(texts[1].own):
        fronted = _padded(fronted, _space_token(tokenizer, padding_token))
    literal = _literal_tokens(texts, pool, padding_token)

    def read(ids: list[int]) -> Tensor:  # (L, S, d); the layers may be on several devices
        return torch.stack([h.cpu() for h in layer_outputs(model, layers, ids)])

    with torch.inference_mode():
        states = [read(ids) for ids in fronted]
        own = [s[:, start:end] for s, end in zip(states, ends, strict=True)]
        sinks = torch.zeros_like(own[0][:, 0])  # what the first position adds to the offsets
        if literal is not None:
            # Only where they differ from the others: where the tokenizer adds no BOS, or padded.
            whole = [
                s if ids == known else read(ids)
                for ids, known, s in zip(literal, fronted, states, strict=True)
            ]
            first = [s[:, 0] / s.shape[1] for s in whole]
            sinks = first[0] - first[1]
        elif pool == "last":
            whole = [s[:, -1:] for s in own]
        else:
            whole = own
        offsets = (whole[0].mean(1) - whole[1].mean(1)).contiguous()  # (L, d)
        norms = offsets.norm(dim=-1)
        hidden_norms = torch.cat(own, dim=1).norm(dim=-1).mean(-1)
        squares = [part.double().square().sum(-1) for part in (sinks, offsets - sinks)]
        shares = (squares[0] / (squares[0] + squares[1])).nan_to_num(0.0)  # 0 / 0: equal texts
    return Direction(
        positive=positive,
        negative=negative,
        pool=pool,
        # A clone made outside inference mode is an ordinary tensor, which any caller can use.
        offsets=offsets.clone(),
        norms=tuple(norms.tolist()),
        hidden_norms=tuple(hidden_norms.tolist()),
        ratios=tuple(
            d / h if h > 0 else math.inf if d > 0 else 0.0
            for d, h in zip(norms.tolist(), hidden_norms.tolist(), strict=True)
        ),
        states=(states[0].clone(), states[1].clone()),
        start=start,
        front=front.put,
        sink_shares=tuple(shares.tolist()),
        peaks=_peaks(tokenizer, [tokens.own for tokens in texts], own),
    )


def _literal_tokens(
    texts: Sequence[TextTokens], pool: Pooling, padding_token: int | None
) -> list[list[int]] | None:
    """What equation 3, or the reference code, takes the mean of; None for the other pools."""
    if pool not in ("paper", "reference"):
        return None
    whole = [tokens.whole for tokens in texts]
    if pool == "paper":
        return whole
    if padding_token is None:
        raise ValueError("pool = 'reference' pads with the end-of-turn token; there is none")
    return _padded(whole, padding_token)


def _peaks(tokenizer: Any, ids: Sequence[Sequence[int]], own: list[Tensor]) -> tuple[Register, ...]:
    """Of every layer, the state with the largest norm among both texts' own, (L, S, d) each."""
    import torch

    norms = torch.cat(own, dim=1).norm(dim=-1)  # (L, S+ + S-)
    largest, places = norms.max(-1)
    times = largest / norms.median(-1).values.clamp_min(1e-30)
    tokens = [("P+", i) for i in ids[0]] + [("P-", i) for i in ids[1]]
    peaks = []
    for layer, (place, value) in enumerate(zip(places.tolist(), times.tolist(), strict=True)):
        template, token = tokens[place]
        text = str(tokenizer.decode([token]))
        peaks.append(Register(layer=layer, template=template, token=text, times=value))
    return tuple(peaks)


def _padded(texts: list[list[int]], token: int) -> list[list[int]]:
    longest = max(len(ids) for ids in texts)
    return [ids + [token] * (longest - len(ids)) for ids in texts]


def _space_token(tokenizer: Any, fallback: int | None) -> int:
    ids = list(tokenizer(" ", add_special_tokens=False)["input_ids"]) or [fallback]
    if ids[-1] is None:
        raise ValueError("the tokenizer has no token for a space, to pad the shorter text with")
    return int(ids[-1])

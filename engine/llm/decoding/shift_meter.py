"""What steering does to the next-token distributions, measured while they are drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from engine.config import SamplingConfig
from engine.llm.decoding.sampling import draw
from engine.llm.interface import SteeringShift
from engine.steering.measures import TracedReply

NAMED_TOKENS = 10
"""How many raised and how many lowered tokens are named."""


class Compared(NamedTuple):
    """What the offset did to the distributions that n tokens were drawn from.

    ``changed`` (n,): another token would have been drawn. ``kl`` (n,): KL(steered || unsteered),
    nats. ``likelihood`` (n,): log-probability of the token, unsteered. ``shift`` (V,): change of
    each token's probability, summed over the n.
    """

    changed: Tensor
    kl: Tensor
    likelihood: Tensor
    shift: Tensor


def compare(
    steered: Tensor,
    unsteered: Tensor,
    sampling: SamplingConfig,
    uniform: Tensor,
    counted: Tensor | None = None,
) -> tuple[Tensor, Compared]:
    """One token per row, (rows,), drawn from the steered logits; both are (rows, V).

    ``counted`` (rows,): which rows are in ``shift``; all by default. Nothing here waits for the
    device. Distributions are the model's own: at temperature 1, before top-k and top-p.
    """
    both = torch.cat([steered, unsteered.to(steered.device)]).float()
    tokens, others = draw(both, sampling, uniform.repeat(2)).chunk(2)
    logs = both.log_softmax(-1)
    log_p, log_q = logs.chunk(2)
    p, q = logs.exp().chunk(2)
    # A token that the steered model excludes counts nothing, whatever the other makes of it.
    kl = torch.where(p > 0, p * (log_p - log_q), 0.0).sum(-1).clamp_min(0)
    likelihood = log_q.gather(-1, tokens.clamp_min(0)[:, None]).squeeze(-1)
    change = p - q
    if counted is not None:
        change = torch.where(counted[:, None], change, 0.0)
    return tokens, Compared(tokens != others, kl, likelihood, change.sum(0))


class SteeringMeter:
    """Takes what was compared, step by step; it never waits for the device."""

    def __init__(self) -> None:
        self._alive: list[list[int]] = []  # per step, the candidates of the rows
        self._drawn: list[list[int]] = []
        self._kl: list[Tensor] = []
        self._likelihood: list[Tensor] = []
        self._changed: list[Tensor] = []
        self._shift: Tensor | None = None  # (V,), summed over all tokens

    def add(self, compared: Compared) -> None:
        """Of one step or of several, in their order, and in each in the order of ``note``."""
        self._changed.append(compared.changed)
        self._kl.append(compared.kl)
        self._likelihood.append(compared.likelihood)
        shift = compared.shift
        self._shift = shift if self._shift is None else self._shift + shift

    def note(self, alive: Sequence[int], drawn: Sequence[int]) -> None:
        """Which candidates the rows of the last step were, and what was drawn for them."""
        self._alive.append(list(alive))
        self._drawn.append(list(drawn))

    def shift(self, tokenizer: Any) -> SteeringShift | None:
        """The means over all tokens; None if there was none."""
        if self._shift is None:
            return None
        kl, changed = torch.cat(self._kl), torch.cat(self._changed)
        mean = (self._shift / len(kl)).float()
        return SteeringShift(
            tokens=len(kl),
            kl=float(kl.mean()),
            changed=float(changed.float().mean()),
            **named_extremes(mean, tokenizer),
        )

    def traces(self, tokenizer: Any, texts: Sequence[str]) -> list[TracedReply]:
        """The replies with these texts, token by token, end-of-turn tokens included."""
        rows: list[list[tuple[int, float, float]]] = [[] for _ in texts]
        candidates = itertools.chain.from_iterable(self._alive)
        drawn = itertools.chain.from_iterable(self._drawn)
        kl, likelihood = torch.cat(self._kl).tolist(), torch.cat(self._likelihood).tolist()
        for candidate, *row in zip(candidates, drawn, kl, likelihood, strict=True):
            rows[candidate].append((row[0], row[1], row[2]))
        return [
            TracedReply(
                text=text,
                tokens=tuple(token_text(tokenizer, token) for token, _, _ in row),
                kl=tuple(kl for _, kl, _ in row),
                log_likelihoods=tuple(likelihood for _, _, likelihood in row),
            )
            for text, row in zip(texts, rows, strict=True)
        ]


class Extremes(TypedDict):
    """Tokens with the largest and with the lowest values, and these values."""

    raised: tuple[tuple[str, float], ...]
    lowered: tuple[tuple[str, float], ...]


def named_extremes(values: Tensor, tokenizer: Any) -> Extremes:
    """The ``NAMED_TOKENS`` tokens of the largest values above 0, and of the lowest below 0.

    ``values`` is (V,), one for each token; those that aren't finite are left out.
    """
    values = values.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    count = min(NAMED_TOKENS, len(values))

    def named(sign: int) -> tuple[tuple[str, float], ...]:
        top = (sign * values).topk(count)
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return tuple(
            (token_text(tokenizer, id_), sign * value) for id_, value in pairs if value > 0
        )

    return {"raised": named(1), "lowered": named(-1)}


def token_text(tokenizer: Any, token: int) -> str:
    """A token as it reads within a text: with the space before it, a special one by its name."""
    name = str(tokenizer.convert_ids_to_tokens(token))
    text = str(tokenizer.decode([token]))
    if name[:1] in ("\u2581", "\u0120") and not text.startswith(" "):
        text = f" {text}"  # marks of a space, which decoders drop at the start of a text
    return text or name

"""Drawing tokens: temperature, top-k and top-p, every candidate with a generator of its own.

Each candidate's random numbers are drawn beforehand from its own seed, and a token is picked by
inverting the cumulative distribution, so which other candidates are decoded beside it has no
influence. (What is left is rounding: matrix products of other sizes may differ in the last bits.)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.config import SamplingConfig

_COLDEST = 1e-30
"""What is colder is as good as greedy, and a quotient of float32 by it would be no number."""


def uniforms(seeds: Sequence[int], count: int) -> Tensor:
    """Random numbers in [0, 1), (len(seeds), count), float32; row i depends on ``seeds[i]`` only.

    Drawn on the CPU, so that a seed means the same on every device.
    """
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        rows.append(torch.rand(count, generator=generator))
    return torch.stack(rows)


def keep_likely(logits: Tensor, sampling: SamplingConfig) -> tuple[Tensor, Tensor | None]:
    """Probabilities after temperature, top-k and top-p, in this order, as transformers has it.

    ``logits`` is (rows, V), float32. Returns the probabilities, (rows, K) with 0 for what is left
    out, and their token ids (rows, K), or None where K is the whole vocabulary in its own order.
    Of tokens that tie for the last place of the top k, as many are kept as fit into k.
    """
    logits = logits / max(sampling.temperature, _COLDEST)
    size = logits.shape[-1]
    ids: Tensor | None = None
    if 0 < sampling.top_k < size:
        logits, ids = logits.topk(sampling.top_k)
    elif sampling.top_p < 1:
        logits, ids = logits.sort(dim=-1, descending=True)
    probabilities = logits.softmax(-1)
    if sampling.top_p < 1:
        above = probabilities.cumsum(-1) - probabilities  # mass of all tokens that are likelier
        left_out = above >= sampling.top_p
        left_out[:, 0] = False
        probabilities = probabilities.masked_fill(left_out, 0.0)
    return probabilities, ids


def draw(logits: Tensor, sampling: SamplingConfig, uniform: Tensor) -> Tensor:
    """One token id per row, (rows,); -1 for a row whose logits are no distribution (NaN, inf).

    ``logits`` is (rows, V) in any dtype, ``uniform`` (rows,) in [0, 1); at temperature 0 the most
    likely token is taken. Nothing here waits for the device.
    """
    logits = logits.float()  # 16 bits are too few for a cumulative sum
    peak = logits.amax(-1)  # NaN if any logit is
    if sampling.temperature == 0:
        chosen = logits.argmax(-1)
    else:
        probabilities, ids = keep_likely(logits, sampling)
        cumulative = probabilities.cumsum(-1)
        total = cumulative[:, -1:]
        # Below the total also after rounding, so the token found has a probability above 0.
        target = torch.minimum(uniform[:, None] * total, total * (1 - 2**-23))
        place = (cumulative <= target).sum(-1, keepdim=True).clamp_max(cumulative.shape[-1] - 1)
        chosen = (place if ids is None else ids.gather(-1, place)).squeeze(-1)
    return torch.where(torch.isfinite(peak), chosen, -1)

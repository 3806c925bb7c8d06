"""Attention over a few tokens at once, with several query heads to a key/value head, and a mask.

transformers' ``sdpa`` repeats all keys and values once a query head where there is a mask, which
costs more than the attention itself. Here the heads that share keys and values become a batch of
their own, in which these are the same memory. Plugged in by transformers' attention interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "glov_grouped"


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As ``sdpa``, to which it leaves all that it isn't made for.

    ``query`` is (1, H, Q, d), ``key`` and ``value`` (1, H / groups, K, d), ``attention_mask``
    (1, 1, Q, K); returns (1, Q, H, d).
    """
    batch, heads, _, _ = query.shape
    kv_heads = key.shape[1]
    special = kwargs.get("softcap") is not None or kwargs.get("position_bias") is not None
    if special or batch != 1 or heads == kv_heads or not _shared(attention_mask):
        result: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return result
    groups = heads // kv_heads
    read = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(kv_heads, groups, *query.shape[2:]),
        key[0, :, None].expand(-1, groups, -1, -1),
        value[0, :, None].expand(-1, groups, -1, -1),
        attn_mask=attention_mask,
        scale=scaling,
    )
    return read.flatten(0, 1)[None].transpose(1, 2).contiguous(), None


def _shared(mask: Tensor | None) -> bool:
    return mask is not None and mask.shape[:2] == (1, 1)


AttentionInterface.register(NAME, grouped_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def grouped(config: Any) -> Iterator[None]:
    """Inside, the model with this (text) configuration attends so, where it attends by ``sdpa``."""
    before = config._attn_implementation
    if before != "sdpa":
        yield
        return
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before

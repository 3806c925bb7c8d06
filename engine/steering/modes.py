"""The steering modes: which positions, what is added, what stays behind. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.config import SteeringMode

MEAN = "engine.steering.offsets:mean_offset"
TOKENS = "engine.steering.offsets:token_offsets"
ATTENTION = "engine.steering.offsets:attention_offset"

Reach = Literal["last", "new", "all", "first"]
"""The steered positions: the current last one, from the prompt's last on, all, the prompt's first
ones (as many as P+ and P- have tokens, and never its last)."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of steering while decoding.

    ``offset`` makes what is added (an ``OffsetMaker``, as ``module:name``): ``MEAN`` adds d_l,
    ``TOKENS`` the difference of P+ and P- token by token, ``ATTENTION`` what the state reads from
    P+ less what it reads from P-.
    """

    name: SteeringMode
    reach: Reach
    offset: str
    summary: str

    @property
    def clean_cache(self) -> bool:
        """Whether keys and values of a token, as later tokens see them, are un-steered.

        Then every token is read steered (for its logits) and clean (for the KV cache). Else the
        steered reading is the only one, and its keys and values stay in the cache.
        """
        return self.reach == "last"


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode(
            "last-token",
            "last",
            MEAN,
            "the offset is on the current last position only, as if the whole sequence "
            "were read again for every token (docs/glov.md, 4)",
        ),
        Mode(
            "generated-tokens",
            "new",
            MEAN,
            "the offset is on every position from the prompt's last on, and stays in the "
            "KV cache: what a plain forward hook does",
        ),
        Mode(
            "all-tokens",
            "all",
            MEAN,
            "the offset is on every position, those of the prompt too, and stays in the KV cache",
        ),
        Mode(
            "actadd",
            "first",
            TOKENS,
            "the difference of P+ and P- token by token is on the prompt's first tokens, once "
            "(ActAdd: the shorter text is padded with spaces)",
        ),
        Mode(
            "cross-attention",
            "last",
            ATTENTION,
            "the current last position attends over the states of P+ and of P-, and what it reads "
            "from P+ less what it reads from P- is added to it",
        ),
        Mode(
            "cross-attention-all",
            "all",
            ATTENTION,
            "the same on every position, those of the prompt too",
        ),
    )
}

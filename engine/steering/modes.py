"""The steering modes: which positions, what is added, what stays behind. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.config import SteeringMode

Reach = Literal["last", "new", "all", "first"]
"""The steered positions: the current last one, from the prompt's last on, all, the prompt's first
ones (as many as P+ and P- have tokens, and never its last)."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of steering while decoding.

    ``offset``: ``mean`` adds d_l, ``tokens`` the difference of P+ and P- token by token,
    ``attention`` what the state reads from P+ less what it reads from P-.
    """

    name: SteeringMode
    reach: Reach
    offset: Literal["mean", "tokens", "attention"]
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
            "mean",
            "the offset is on the current last position only, as if the whole sequence "
            "were read again for every token (PAPER, Exact steering semantics)",
        ),
        Mode(
            "generated-tokens",
            "new",
            "mean",
            "the offset is on every position from the prompt's last on, and stays in the "
            "KV cache: what a plain forward hook does",
        ),
        Mode(
            "all-tokens",
            "all",
            "mean",
            "the offset is on every position, those of the prompt too, and stays in the KV cache",
        ),
        Mode(
            "actadd",
            "first",
            "tokens",
            "the difference of P+ and P- token by token is on the prompt's first tokens, once "
            "(ActAdd: the shorter text is padded with spaces)",
        ),
        Mode(
            "cross-attention",
            "last",
            "attention",
            "the current last position attends over the states of P+ and of P-, and what it reads "
            "from P+ less what it reads from P- is added to it",
        ),
        Mode(
            "cross-attention-all",
            "all",
            "attention",
            "the same on every position, those of the prompt too",
        ),
    )
}

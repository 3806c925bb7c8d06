"""Which models are loaded together. Light: no heavy import here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.config import LLMConfig


@dataclass(frozen=True, slots=True)
class Wanted:
    """``images``: how many the VLM keeps features of, where that is known."""

    vlm: bool = True
    llm: bool = True  # the one that proposes, where it is a local one
    embedder: bool = False
    judges: Sequence[LLMConfig] = ()  # of their own
    images: int | None = None

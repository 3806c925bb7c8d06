"""Where a model begins to read all positions otherwise, because the text has become longer.

With LongRoPE the rotary frequencies of *every* token depend on whether the text is longer than
what the model was first trained on. Keys kept while it was shorter are of no use from there on.
"""

from __future__ import annotations

from typing import Any


def turning_point(config: Any) -> int | None:
    """Texts of more tokens than this are read otherwise; None: all lengths are read alike.

    ``config`` is the decoder's.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    points = [
        int(kind["original_max_position_embeddings"])
        for kind in kinds
        if kind.get("rope_type") == "longrope"
    ]
    return min(points, default=None)


def turns_within(turn: int | None, prompt: int, new_tokens: int) -> bool:
    """Whether a text is on both sides of the point while its reply grows.

    What is read begins with all of the prompt but its last token; the reply's last one is never
    read.
    """
    return turn is not None and prompt - 1 <= turn < prompt + new_tokens - 1

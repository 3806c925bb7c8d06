"""How far apart two readings of one image are."""

from __future__ import annotations

from engine.vlm.encoder_decoder.reading import ImagePrefix


def distance(one: ImagePrefix, other: ImagePrefix) -> float:
    """Largest difference of their keys and values; they end at the same place."""
    assert (one.length, one.next_position) == (other.length, other.next_position)
    pairs = zip(one.layers, other.layers, strict=True)
    return max(float((a - b).abs().max()) for pair in pairs for a, b in zip(*pair, strict=True))

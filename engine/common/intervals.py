"""Intervals of shares. Light: what is shown before the first paint has them."""

from __future__ import annotations

import math


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion, by default at 95 %; both ends in 0 to 1.

    As ``scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")``, which takes hundreds of
    times as long: rankings and charts ask for many, and scipy is not there before the first paint.

    Right at the few-shot sizes we have, where the normal approximation is not.

    Raises:
        ValueError: if not ``0 <= hits <= n`` or ``n`` is 0.
    """
    if n <= 0 or not 0 <= hits <= n:
        raise ValueError(f"need 0 <= hits <= n and n > 0, got hits={hits}, n={n}")
    p = hits / n
    denominator = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / denominator
    half = z / denominator * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if hits == 0 else max(0.0, centre - half)  # exact ends, whatever rounding does
    high = 1.0 if hits == n else min(1.0, centre + half)
    return low, high

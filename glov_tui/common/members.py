"""The members of an ensemble as they are told to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def with_repeats(templates: Iterable[str]) -> list[str]:
    """Each template once, in order, with how often it counts where that is not once: ``2x ...``."""
    return [
        f"{times}x {template}" if times > 1 else template
        for template, times in Counter(templates).items()
    ]

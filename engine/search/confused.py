"""Classes that are taken for others, by name: what a meta-prompt says of them. Light."""

from __future__ import annotations

from typing import NamedTuple

NOTHING = "nothing that is asked for"
"""What an answer that names no class is said to be taken for."""


class Confused(NamedTuple):
    """``images`` of the ``of`` images of a class that were looked at were taken for another.

    The names are untrusted.
    """

    truth: str
    predicted: str
    images: int
    of: int

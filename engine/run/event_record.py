"""What all events of a run have in common.

``time`` is Unix time in seconds; together with ``seconds`` and ``times`` it is all that may differ
between two runs of the same configuration on the same machine.
"""

import time
from typing import Any, ClassVar

from pydantic import Field

from engine.common.record import Author, Reason, Record, UnixTime


class EventRecord(Record):
    """A frozen record of a moment; facts are journaled, telemetry is not."""

    is_fact: ClassVar[bool] = True

    time: UnixTime = Field(default_factory=time.time)

    def comparable(self) -> dict[str, Any]:
        """Everything but clock readings: equal for equal runs."""
        return self.model_dump(mode="json", exclude={"time", "seconds", "times"})


class AskedFact(EventRecord):
    """A fact that somebody asked for."""

    author: Author = ""  # who asked for it; empty: a person at a screen
    reason: Reason = ""


def asked_by(author: str, reason: str) -> str:
    """Who asked for it and why, as far as that was said: ``by ada, because: too wild``."""
    said = (author and f"by {author}", reason and f"because: {reason}")
    return ", ".join(filter(None, said))


def check_hits(hits: int, n: int, unnamed: int = 0) -> None:
    """
    Raises:
        ValueError: if there are more hits, with answers that name no class, than images.
    """
    if hits + unnamed > n:
        others = f" and {unnamed} without a class" if unnamed else ""
        raise ValueError(f"{hits} hits{others} among {n}")

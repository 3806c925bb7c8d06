"""What a run has spent on a server so far."""

from __future__ import annotations

from dataclasses import dataclass

from engine.common.wording import counted
from engine.run.server_facts import ServerUsed


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums of a run's ``ServerUsed``, those of steps that were cut off included."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0  # of the requests: the server did not say their tokens
    cost: float | None = None  # None where no prices were given

    def with_more(self, used: ServerUsed) -> Spent:
        """After one more fact."""
        cost = self.cost
        if used.cost is not None:
            cost = (cost or 0.0) + used.cost
        return Spent(
            self.requests + used.requests,
            self.tokens_in + used.tokens_in,
            self.tokens_out + used.tokens_out,
            self.uncounted + used.uncounted,
            cost,
        )

    def in_short(self) -> str:
        """The cost, or the tokens where no prices were given: ``cost 0.0123``."""
        least = ">" if self.uncounted else ""
        if self.cost is not None:
            return f"cost {least}{self.cost:.4g}"
        return f"{least}{counted(self.tokens_in + self.tokens_out, 'token')}"

    def describe(self) -> str:
        """In a few words: ``12,345 tokens in, 678 out, cost 0.0123``."""
        least = "at least " if self.uncounted else ""
        text = f"{least}{counted(self.tokens_in, 'token')} in, {self.tokens_out:,} out"
        return text if self.cost is None else f"{text}, cost {least}{self.cost:.4g}"

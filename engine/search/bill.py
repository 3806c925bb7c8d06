"""What a search's LLM costs on a server: told as facts, and stopped where it is too much."""

from __future__ import annotations

from engine.common.errors import ModelError
from engine.config import LLMConfig
from engine.llm.interface import LanguageModel, Spending
from engine.run import events as ev
from engine.run.emitting import Events, emit
from engine.run.state import RunState

_MILLION = 1_000_000


class Bill:
    """Counts from when the search was made: the LLM may have had runs before this one."""

    def __init__(self, config: LLMConfig, llm: LanguageModel) -> None:
        self._config = config
        self._llm = llm
        self._told = llm.spending or Spending()

    def settled(self, state: RunState, step: int) -> Events:
        """The fact of what was spent since the last one; none where nothing was."""
        now = self._llm.spending
        if now is None or now == self._told:
            return state
        before, self._told = self._told, now
        tokens_in = now.tokens_in - before.tokens_in
        tokens_out = now.tokens_out - before.tokens_out
        event = ev.ServerUsed(
            step=step,
            requests=now.requests - before.requests,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            uncounted=now.uncounted - before.uncounted,
            cost=self._cost(tokens_in, tokens_out),
        )
        return (yield from emit(state, event))

    def check(self, state: RunState) -> None:
        """See that the run may ask once more.

        Raises:
            ModelError: if it has cost ``llm.max_cost``.
        """
        most, spent = self._config.max_cost, state.spent
        if most is None or spent is None or spent.cost is None or spent.cost < most:
            return
        raise ModelError(
            f"the run has cost {spent.cost:.4g}, and llm.max_cost is {most:g}; to go on give more "
            "(`glov resume RUN --set llm.max_cost=...`)"
        )

    def _cost(self, tokens_in: int, tokens_out: int) -> float | None:
        prices = self._config.price_in, self._config.price_out
        if prices[0] is None or prices[1] is None:
            return None
        return (tokens_in * prices[0] + tokens_out * prices[1]) / _MILLION

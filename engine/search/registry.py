"""Searches by name (``search.kind``). Importing this loads none of them.

Another one costs a row here, its name in ``engine.config.schema.SearchKind``, and a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import RunConfig
from engine.vlm.families import task_of

if TYPE_CHECKING:  # known before the first paint, without what a search works with
    from engine.prompts.message import Message
    from engine.run.ranking import ScoredTemplate
    from engine.run.state import RunState
    from engine.search.confused import Confused
    from engine.search.proposing import ProposingSearch
    from engine.search.strategy import SearchClass


@dataclass(frozen=True, slots=True)
class RegisteredSearch:
    """A search that ``search.kind`` can name."""

    summary: str  # one line, for people
    load: Callable[[], SearchClass]  # imports it
    unused: tuple[str, ...] = ()  # keys, and tables of keys, that make no difference to it

    def uses(self, key: str) -> bool:
        """Whether a configuration key, by its dotted name, makes a difference to it."""
        return not any(key == name or key.startswith(f"{name}.") for name in self.unused)

    @property
    def asks(self) -> bool:
        """Whether it asks an LLM; one that does not makes no steps."""
        return self.uses("llm")

    @property
    def steers(self) -> bool:
        """Whether it steers the LLM, where ``steering.mode`` says so."""
        return self.uses("steering")


def _glov() -> SearchClass:
    from engine.search.glov import GlovSearch

    return GlovSearch


def _random() -> SearchClass:
    from engine.search.baselines import RandomSearch

    return RandomSearch


def _llm_opt() -> SearchClass:
    from engine.search.baselines import LLMOptSearch

    return LLMOptSearch


def _s_temp() -> SearchClass:
    from engine.search.given import SeedAlone

    return SeedAlone


def _ds_temp() -> SearchClass:
    from engine.search.given import DatasetTemplates

    return DatasetTemplates


_NO_SEARCH = (
    *("steps", "llm", "sampling", "proposal", "steering"),
    *("evaluation", "search.racing"),
)

SEARCHES: dict[str, RegisteredSearch] = {
    "glov": RegisteredSearch("the best and worst templates of the run as examples; steered", _glov),
    "random": RegisteredSearch(
        "the same first question in every step", _random, ("steering", "proposal.examples")
    ),
    "llm-opt": RegisteredSearch(
        "the last step's templates as examples; not steered", _llm_opt, ("steering",)
    ),
    "s-temp": RegisteredSearch("the seed template alone; no LLM", _s_temp, _NO_SEARCH),
    "ds-temp": RegisteredSearch(
        "the data set's own templates, ensembled; no LLM", _ds_temp, _NO_SEARCH
    ),
}
"""All searches by name, GLOV first."""

DEFAULT_SEARCH = next(iter(SEARCHES))
"""The search that goes without saying."""


def find_search(config: RunConfig) -> RegisteredSearch:
    """The search that the configuration names."""
    return SEARCHES[config.search.kind]


def asks_llm(config: RunConfig | None) -> bool:
    """Whether an LLM is asked, as far as that is known."""
    return config is None or find_search(config).asks


def is_steered(config: RunConfig) -> bool:
    """Whether the LLM is steered, once there is something to steer it with."""
    can = find_search(config).steers and not config.llm.is_served
    return can and config.steering.mode != "off"


def next_question(state: RunState, confused: Sequence[Confused] = ()) -> tuple[Message, ...]:
    """What the LLM is asked in the next step of a run whose models are known.

    ``confused`` is what the template of ``confusing_next`` confuses most.

    Raises:
        ConfigError: if the meta-prompt template can't be read or rendered.
    """
    from engine.search.meta_prompt import load_meta_prompt  # with Jinja

    config = state.config
    assert config is not None
    meta_prompt = load_meta_prompt(config.proposal.template_file, task_of(config.vlm))
    proposing, step = _proposing(config), state.next_step
    if proposing is not None:
        return proposing.question(meta_prompt, state, step, confused=confused)
    return find_search(config).load().question(meta_prompt, state, step)


def confusing_next(state: RunState) -> ScoredTemplate | None:
    """The template whose confusions the LLM is told in the next step; None: it is told none."""
    proposing = _proposing(state.config) if state.config is not None else None
    return proposing.confusing(state, state.next_step) if proposing is not None else None


def _proposing(config: RunConfig) -> type[ProposingSearch] | None:
    """The search, if it asks an LLM in the way of those that are built in."""
    from engine.search.proposing import ProposingSearch

    search = find_search(config).load()
    return search if isinstance(search, type) and issubclass(search, ProposingSearch) else None

"""Why nothing can be tried on a run's models at present, and what to do about it, in words."""

from __future__ import annotations

import shlex

from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.search.registry import find_search
from glov_tui.cockpit.bound_keys import KeyOf
from glov_tui.cockpit.lab.settings import anchors_of
from glov_tui.common.text import clean


def obstacle(state: RunState, ended: bool, run: str, key: KeyOf) -> str | None:
    """Why nothing can be tried at present; None if it can.

    ``run``: as a shell takes it. ``key`` gives the key of an action.
    """
    hopeless = never(state)
    if hopeless is not None:
        return hopeless
    if ended or state.status in ENDED:
        return _of_ended(state, run)
    if state.models is None:
        return "The models are still loading."
    if anchors_of(state) is None:
        positive, negative = key("hold-positive"), key("hold-negative")
        return (
            "Steering begins with the first improvement over the seed template. To try it now, "
            f"hold two templates by hand with {positive} and {negative} in the cockpit."
        )
    return under_way(state, key)


def never(state: RunState) -> str | None:
    """Why nothing can be tried in this run, whatever one does."""
    config, models = state.config, state.models
    if config is not None and not find_search(config).asks:
        return f"The search {config.search.kind} asks no LLM: there is none to steer."
    if models is None or models.llm_layers:
        return None
    if config is not None and config.llm.is_served:
        return "This LLM can't be steered: it is on a server, which gives no hidden states."
    return "This LLM can't be steered: its hidden states are out of reach."


def under_way(state: RunState, key: KeyOf) -> str | None:
    """That the run is not paused."""
    if state.status == "paused":
        return None
    return f"The run is under way, and the lab needs its models: {key('pause')} pauses it."


def _of_ended(state: RunState, run: str) -> str:
    command = steer_command(state, run)
    if command is None:
        return "The run ended before anything was asked or scored: there is nothing to try."
    return f"The run has ended, and its models are gone: `{command}` loads them again."


def steer_command(state: RunState, run: str) -> str | None:
    """What a shell takes to try the run's steering without an engine; None: there is nothing yet.

    Where the run has no P+ and P- it has to name two texts: the best template and the worst.
    """
    if state.models is None or not state.ranking:
        return None
    if state.anchors is not None and all(state.find(one) is not None for one in state.anchors):
        return f"glov steer {run}"
    best, worst = state.ranking[0], state.ranking[-1]
    negative = worst.text if worst is not best else "<category>."
    texts = (shlex.quote(clean(text)) for text in (best.text, negative))
    return "glov steer {} --positive {} --negative {}".format(run, *texts)

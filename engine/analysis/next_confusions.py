"""What the next meta-prompt says of confusions, as far as it is known before its step begins."""

from __future__ import annotations

from pathlib import Path

from engine.analysis.image_predictions import read_made
from engine.run.state import RunState
from engine.search.confused import Confused
from engine.search.confusions import most_confused
from engine.search.registry import confusing_next


def next_confusions(folder: Path, state: RunState) -> tuple[Confused, ...]:
    """What the LLM would be told now that the best template confuses: ``proposal.confusions``.

    None also where its predictions are not kept in the run's ``folder``: they are made again as
    the step begins.
    """
    template = confusing_next(state)
    made = read_made(folder, template, state) if template is not None else ""
    if isinstance(made, str) or state.config is None:
        return ()
    return most_confused(made.found, made.labels, made.names, state.config.proposal.confusions)

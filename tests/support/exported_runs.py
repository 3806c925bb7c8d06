"""Runs to be exported that no engine has made: with an ensemble, and any classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.analysis.export.exported import Exported
from engine.config import RunConfig
from engine.run import events as ev
from engine.run.state import RunState
from tests.support.sessions import loaded

TEMPLATES = ("a dark photo of a <category>.", "a <category> in blue light.", "a <category>.")
QUESTIONS = ("What is shown in the image?", "Name the thing.", "Name the thing.")


def run_of(config: RunConfig, names: tuple[str, ...], templates: tuple[str, ...]) -> Exported:
    """A run with this ensemble."""
    events = [
        event.model_copy(update={"class_names": names, "class_sizes": ()})
        if isinstance(event, ev.ModelsLoaded)
        else event.model_copy(update={"class_hits": ()})
        if isinstance(event, ev.TemplateScored)
        else event
        for event in loaded(config)
    ]
    ensemble = ev.TestMeasured(
        step=0, subject="ensemble", templates=templates, hits=60, n=100, seconds=0.0
    )
    return Exported(Path("run"), events, RunState().apply_all([*events, ensemble]))


def drained(work: Any) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as finished:
            return finished.value

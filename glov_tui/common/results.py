"""What came of a run, in the words that are printed at its end and shown on its card."""

from __future__ import annotations

from engine.common.wording import counted
from engine.run.result import Ensemble, OnTestSplit, OnTraining, RunResult
from engine.search.registry import DEFAULT_SEARCH
from glov_tui.common.accuracy import with_interval
from glov_tui.common.text import clean


def result_title(result: RunResult) -> str:
    """``demo: 20 steps``, with the search where it is not GLOV's."""
    search = result["search"]
    by = f" of {search} search" if search != DEFAULT_SEARCH else ""
    return clean(f"{result['run']}: {counted(result['steps'], 'step')}{by}")


def ensemble_title(ensemble: Ensemble) -> str:
    """``ensemble``, with how its members were chosen."""
    selection = ensemble["selection"]
    return f"ensemble ({selection})" if selection is not None else "ensemble"


def few_shot(row: OnTraining) -> str:
    """The accuracy on the labelled images, with P where it is known."""
    if row["train_accuracy"] is None:
        return "-"
    return f"{row['train_accuracy']:.1%}{_probability(row['train_probability'])}"


def on_test(row: OnTestSplit) -> str:
    """The accuracy on the test split with its 95 % interval."""
    told = with_interval(row["test_accuracy"], row["test_interval"])
    return told + _probability(row["test_probability"])


def _probability(found: float | None) -> str:
    """Behind an accuracy: the mean probability of the true class, where it is known."""
    return "" if found is None else f" P {found:.1%}"

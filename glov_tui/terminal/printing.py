"""Results on standard output: numbers as people read them, and streams that know only ASCII."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from engine.storage.run_record import Metric
from glov_tui.common.text import escape_json
from glov_tui.terminal.terminal_kind import speaks_unicode, wants_colour

METRIC_NAMES: dict[Metric, str] = {
    "best_train_accuracy": "best few-shot",
    "best_test_accuracy": "best test",
    "ensemble_test_accuracy": "ensemble test",
    "area": "area",
    "best_train_probability": "best few-shot P",
    "best_test_probability": "best test P",
    "ensemble_test_probability": "ensemble test P",
}
"""What a metric is called in tables."""


def result_console() -> tuple[Console, bool]:
    """A console on standard output, and whether it must do with ASCII.

    On an ASCII stream nothing that is printed can fail: characters get plain twins.
    """
    console = Console(highlight=False, no_color=None if wants_colour() else True)
    plain = console.options.ascii_only or (console.is_terminal and not speaks_unicode())
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if plain and reconfigure is not None:
        encoding = None if console.options.ascii_only else "ascii"
        reconfigure(encoding=encoding, errors="glov-plain")
    return console, plain


def print_json(document: Any) -> None:
    """Print one JSON document.

    What a terminal would obey is escaped, as is all non-ASCII where the stream can't take it.

    Raises:
        OSError: if it can't be written.
    """
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print(escape_json(json.dumps(document, ensure_ascii=not unicode)), flush=True)  # noqa: T201


def percent(value: float | None, signed: bool = False) -> str:
    """A share, 0 to 1, as percent with one decimal and no sign of percent; ``-`` for None."""
    if value is None:
        return "-"
    text = f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    return text.replace("-0.0", "0.0").replace("+0.0", "0.0") if float(text) == 0 else text


def probability(p: float) -> str:
    """A p value with four decimals."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"

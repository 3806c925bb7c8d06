"""The card of a run's result: seed, best and ensemble with their tests, and what to type next.

The figures are those that are printed once the cockpit is left.
"""

from __future__ import annotations

from pathlib import Path

from engine.run.result import summarise
from engine.run.state import RunState
from engine.storage.run_folder import run_argument
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.members import with_repeats
from glov_tui.common.progress import format_seconds
from glov_tui.common.results import ensemble_title, few_shot, on_test, result_title
from glov_tui.common.text import clean, cut
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

WIDEST = 100
NAMES = 16  # cells of the names of rows
ERROR_CELLS = 300
FEW_SHOT = 15  # cells of a few-shot accuracy with its P


def card_lines(state: RunState, folder: Path, glyphs: Glyphs, cut_off: bool = False) -> list[Line]:
    """What the card says, from the title down; ``cut_off``: the run did not say how it ended."""
    result = summarise(state, "interrupted" if cut_off else None)
    status = result["status"]
    sign = glyphs.states["stopped" if cut_off else state.status]
    style = {"finished": "good", "failed": "bad"}.get(status, "note")
    asked = state.config.steps if state.config is not None else 0
    of_all = f" of {asked}" if state.steps_done < asked else ""
    lines: list[Line] = [
        ((f"{sign} {status}  ", style), (result_title(result) + of_all, "strong")),
        *_why_failed(state),
        (("", ""),),
        ((f"{'':<{NAMES}}{'few-shot':<{FEW_SHOT}}test (95 %)", "dim"),),
    ]
    rows = (("seed", result["baseline"]), ("best", result["best"]))
    seed, best = (row["train_accuracy"] for _, row in rows)
    gains = seed is not None and best is not None and best > seed
    for name, row in rows:
        better = "good" if name == "best" and gains else ""
        lines.append(
            (
                (f"{name:<{NAMES}}", "strong"),
                (f"{few_shot(row):<{FEW_SHOT}}", better),
                (on_test(row), better),
            )
        )
        lines.append((("  ", ""), (clean(row["template"] or "-"), "")))
    ensemble = result["ensemble"]
    if ensemble["templates"]:
        name = ensemble_title(ensemble)
        lines.append(
            (
                (f"{name:<{NAMES + FEW_SHOT}}", "strong"),
                (on_test(ensemble), "good" if gains else ""),
            )
        )
        lines += [
            (("  ", ""), (clean(member), "")) for member in with_repeats(ensemble["templates"])
        ]
    lines += [(("", ""),), *_time(state), *_next(state, run_argument(folder))]
    return lines


def _why_failed(state: RunState) -> list[Line]:
    """The first line of the error: the log has all of it."""
    if state.status != "failed" or not (state.error or "").strip():
        return []
    return [((cut(clean((state.error or "").strip().splitlines()[0]), ERROR_CELLS), "bad"),)]


def _time(state: RunState) -> list[Line]:
    if not state.steps:
        return []
    seconds = [step.seconds for step in state.steps]
    told = f"{format_seconds(sum(seconds))} in steps, {sum(seconds) / len(seconds):.1f} s each"
    if state.spent is not None:
        told += f"; the LLM's server: {state.spent.describe()}"
    return [((f"{'time':<{NAMES}}", "strong"), (told, ""))]


def _next(state: RunState, name: str) -> list[Line]:
    """Commands, as they are typed in a shell."""
    wanted = [
        ("a report", f"glov export {name}"),
        ("another run", f"glov compare {name} OTHER"),
        ("from a step on", f"glov fork {name} --at-step {state.steps_done} --set steps=MORE"),
    ]
    if state.status != "finished":
        wanted.insert(0, ("go on", f"glov resume {name}"))
    return [
        ((f"{what:<{NAMES}}", "dim"), (clean(command), "mark"))
        for what, command in wanted
        if state.steps or "fork" not in command
    ]


class ResultCard(TextView):
    """Lies over the panes, in the middle, as high as it needs to be; scrolls where it has to."""

    DEFAULT_CSS = """
    ResultCard {
        layer: card; position: absolute; display: none;
        border: round $accent; background: $surface; padding: 0 1;
        border-title-color: $accent; border-subtitle-color: $text-muted;
    }
    .-ascii ResultCard { border: ascii $accent; }
    """

    def __init__(self, glyphs: Glyphs, again: str = "r") -> None:
        """``again`` is the key that shows it, and puts it away."""
        super().__init__(id="result")
        self._glyphs = glyphs
        self.border_title = "result"
        self.say_what_is_below(self, f"esc close   {again} again")

    def show_result(self, state: RunState, folder: Path, cut_off: bool = False) -> None:
        """Show it for this state, as ``card_lines``."""
        self.set_lines(card_lines(state, folder, self._glyphs, cut_off))
        self.display = True
        self.place()

    def place(self) -> None:
        """In the middle of the screen, below the status line's state and above the keys."""
        if not self.display:
            return
        size = self.app.size
        width = min(WIDEST, size.width - 4)
        rows = sum(len(self.rows(line, width - 4)) for line in self._lines)
        height = max(3, min(rows + 2, size.height - 2))  # of the status line and the keys
        self.styles.width, self.styles.height = width, height
        self.styles.offset = ((size.width - width) // 2, max(1, (size.height - height) // 2))

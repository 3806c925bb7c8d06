"""What came of a list of templates that a person injected, while they are scored and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.prompts.template import normalise
from engine.run.state import RunState
from glov_tui.cockpit.panes.pane import DetailsRequested
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line

LOOK_SECONDS = 0.25


class InjectedScreen(Dialog[None]):
    """A row for each: rank, accuracy, gain over the best there was before, or why it has none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
    ]
    DEFAULT_CSS = """
    InjectedScreen { align: center middle; }
    InjectedScreen > RowTable {
        width: 90%; max-width: 130; height: 85%; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(
        self,
        asked: Mapping[str, tuple[str, bool]],
        before: float,
        state: Callable[[], RunState],
        glyphs: Glyphs,
    ) -> None:
        """
        Args:
            asked: by their identities the texts, and whether each was scored before.
            before: the accuracy of the best template then, 0 to 1.
            state: of the run, as it is now.
            glyphs: of the terminal.
        """
        super().__init__()
        self._asked, self._before, self._state, self._glyphs = asked, before, state, glyphs
        self._shown: object = None

    def compose(self) -> ComposeResult:
        """The table."""
        yield RowTable(self._glyphs.changed)
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what there is, and what comes."""
        self.query_one(RowTable).focus()
        self.call_after_refresh(self._look)
        self.set_interval(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        state = self._state()
        shown = (state.scored.scores, state.waiting, state.not_scored, state.status)
        if shown == self._shown:
            return
        self._shown = shown
        rows = came_of(self._asked, self._before, state, self._glyphs)
        table = self.query_one(RowTable)
        scored = sum(state.find(key) is not None for key in self._asked)
        refused = len(refused_of(self._asked, state))
        waits = len(self._asked) - scored - refused
        parts = [f"{scored} scored"]
        parts += [f"{waits} wait"] if waits else []
        parts += [f"{refused} refused"] if refused else []
        table.border_title = f"{len(self._asked)} injected: {', '.join(parts)}"
        header: Line = (("rank   acc.   gain  template", ""),)
        keys = list(rows)
        at = keys.index(table.selected_key) if table.selected_key in keys else 0
        table.set_rows(header, keys, lambda i: rows[keys[i]], at)

    @on(RowTable.RowChosen)
    def _chosen(self, message: RowTable.RowChosen) -> None:
        message.stop()
        if self._state().find(message.key) is not None:
            self.app.post_message(DetailsRequested(message.key))


def refused_of(asked: Mapping[str, tuple[str, bool]], state: RunState) -> dict[str, str]:
    """Why those have no score that were refused after all."""
    reasons = {normalise(event.template): event.reason for event in state.not_scored}
    return {key: reasons[key] for key in asked if key in reasons and state.find(key) is None}


def came_of(
    asked: Mapping[str, tuple[str, bool]], before: float, state: RunState, glyphs: Glyphs
) -> dict[str, Line]:
    """A line for each, by its identity: the best first, then those that wait, then the refused."""
    refused = refused_of(asked, state)
    ranks = {key: state.scored.rank(key) for key in asked if state.find(key) is not None}
    order = sorted(asked, key=lambda key: (key in refused, ranks.get(key) is None, _or(ranks, key)))
    lines: dict[str, Line] = {}
    for key in order:
        text, was_known = asked[key]
        found, rank = state.find(key), ranks.get(key)
        if found is not None and rank is not None:
            gain = 100 * (found.accuracy - before)
            style = "good" if gain > 0 else "dim"
            lines[key] = (
                (f"{rank + 1:>4} {100 * found.accuracy:>5.1f}% ", ""),
                (f"{gain:>+6.1f} ", style),
                ("(scored before) " if was_known else "", "dim"),
                (clean(found.text), ""),
            )
        elif key in refused:
            why = clean(refused[key])
            lines[key] = ((f"   {glyphs.rejected}  refused: {why} ", "bad"), (clean(text), "dim"))
        else:
            waits = "waits" if state.status not in ("stopped", "failed", "finished") else "not yet"
            lines[key] = ((f"   {glyphs.writing}  {waits:<14}", "dim"), (clean(text), ""))
    return lines


def _or(ranks: Mapping[str, int | None], key: str) -> int:
    rank = ranks.get(key)
    return rank if rank is not None else 0

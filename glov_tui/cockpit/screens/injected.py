"""What came of a list of templates that a person injected, while they are scored and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from engine.prompts.template import normalise
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from glov_tui.cockpit.injecting import Wrong
from glov_tui.cockpit.panes.pane import DetailsRequested
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class AskedList:
    """A list as it was injected. Its texts are untrusted."""

    templates: Mapping[str, str]  # by their identities
    known: frozenset[str]  # those that were scored before
    before: float  # the accuracy of the best template then, 0 to 1
    wrong: tuple[Wrong, ...] = ()
    twice: int = 0  # lines that repeat another one


class InjectedScreen(Dialog[None]):
    """A row for each: rank, accuracy, gain over the best there was before, or why it has none.

    Below, all of the one under the cursor.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
    ]
    DEFAULT_CSS = """
    InjectedScreen { align: center middle; }
    InjectedScreen > Vertical {
        width: 90%; max-width: 130; height: 85%; border: round $accent;
        padding: 0 1; background: $surface;
        RowTable { height: 1fr; }
        TextView { height: 30%; min-height: 5; border-top: solid $foreground 35%; }
    }
    """

    def __init__(self, asked: AskedList, state: Callable[[], RunState], glyphs: Glyphs) -> None:
        """``state`` gives that of the run as it is now."""
        super().__init__()
        self._asked, self._state, self._glyphs = asked, state, glyphs
        self._shown: object = None

    def compose(self) -> ComposeResult:
        """The table over one of its templates."""
        with Vertical():
            yield RowTable(self._glyphs.changed)
            yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what there is, and what comes."""
        for table in self.query(RowTable):  # none while the app closes
            table.focus()
        self.call_after_refresh(self._look)
        self.set_interval(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if not self.query(RowTable):
            return
        state, asked = self._state(), self._asked
        shown = state.scored.scores, state.waiting, state.not_scored, state.status, state.edits
        if shown == self._shown:
            return
        self._shown = shown
        rows = came_of(asked, state, self._glyphs)
        table = self.query_one(RowTable)
        scored = sum(state.find(key) is not None for key in asked.templates)
        refused = len(refused_of(asked, state))
        waits = len(asked.templates) - scored - refused
        parts = [f"{scored:,} scored"]
        word = "not scored" if state.status in ENDED else "wait"
        parts += [f"{waits:,} {word}"] if waits else []
        parts += [f"{refused:,} refused"] if refused else []
        parts += [f"{len(asked.wrong):,} can't be"] if asked.wrong else []
        parts += [f"{asked.twice:,} there twice"] if asked.twice else []
        title = f"{len(asked.templates):,} injected: {', '.join(parts)}"
        self.query_one(Vertical).border_title = title
        header: Line = (("rank   acc.   gain  template", ""),)
        keys = list(rows)
        at = keys.index(table.selected_key) if table.selected_key in keys else 0
        table.set_rows(header, keys, lambda i: rows[keys[i]], at)
        self._show_whole()

    @on(RowTable.RowSelected)
    def _show_whole(self) -> None:
        key = self.query_one(RowTable).selected_key
        if key is not None:
            self.query_one(TextView).set_lines(in_full(key, self._asked, self._state()))

    @on(RowTable.RowChosen)
    def _chosen(self, message: RowTable.RowChosen) -> None:
        message.stop()
        if self._state().find(message.key) is not None:
            self.app.post_message(DetailsRequested(message.key))


def refused_of(asked: AskedList, state: RunState) -> dict[str, str]:
    """Why those have no score that were refused after all."""
    reasons = {normalise(event.template): event.reason for event in state.not_scored}
    waits = {normalise(event.template) for event in state.waiting}
    left = (key for key in asked.templates if key in reasons and key not in waits)
    return {key: reasons[key] for key in left if state.find(key) is None}


def came_of(asked: AskedList, state: RunState, glyphs: Glyphs) -> dict[str, Line]:
    """A line for each, by its identity: the best first, then those that wait, then the refused,
    then lines that are no templates, by their numbers.
    """
    refused = refused_of(asked, state)
    ranks = {key: state.scored.rank(key) for key in asked.templates}
    lines: dict[str, Line] = {}
    banned = state.with_pending().banned
    for key in sorted(asked.templates, key=lambda key: (key in refused, *_last(ranks[key]))):
        text = clean(asked.templates[key])
        found, rank = state.find(key), ranks[key]
        if found is not None and rank is not None:
            gain = 100 * (found.accuracy - asked.before)
            said = ["scored before"] if key in asked.known else []
            said += ["banned"] if key in banned else []
            lines[key] = (
                (f"{rank + 1:>4} {100 * found.accuracy:>5.1f}% ", ""),
                (f"{gain:>+6.1f}  ", "good" if gain > 0 else "dim"),
                (f"({', '.join(said)}) " if said else "", "dim"),
                (clean(found.text), ""),
            )
        elif key in refused:
            lines[key] = ((f"   {glyphs.rejected}  {'refused':<14}", "bad"), (text, "dim"))
        else:
            waits = _waits(key, state)[0]
            lines[key] = ((f"   {glyphs.writing}  {waits:<14}", "dim"), (text, ""))
    for wrong in asked.wrong:
        where = f"line {wrong.number}"
        said_of = f"   {glyphs.rejected}  {where:<14}"
        lines[where] = ((said_of, "bad"), (clean(wrong.text), "dim"))
    return lines


def in_full(key: str, asked: AskedList, state: RunState) -> list[Line]:
    """What came of one of them, and its whole text."""
    wrong = next((one for one in asked.wrong if f"line {one.number}" == key), None)
    if wrong is not None:
        return [((clean(wrong.why), "bad"),), ((clean(wrong.text), ""),)]
    found, rank = state.find(key), state.scored.rank(key)
    if found is None or rank is None:
        why = refused_of(asked, state).get(key)
        waits = _waits(key, state)[1]
        said: Line = ((f"Refused: {clean(why)}", "bad"),) if why else ((waits, "dim"),)
        return [said, ((clean(asked.templates[key]), ""),)]
    gain = 100 * (found.accuracy - asked.before)
    best = ", the best of the run" if rank == 0 else ""
    parts = [f"Rank {rank + 1:,} of {len(state.ranking):,}{best}: {found.accuracy:.1%}"]
    parts += [f"{gain:+.1f} points over the best before" if gain > 0 else ""]
    parts += [f"scored before, in step {found.first.step}" if key in asked.known else ""]
    parts += ["banned" if key in state.with_pending().banned else ""]
    said_of_it = "; ".join(part for part in parts if part)
    return [((f"{said_of_it}.", "good" if gain > 0 else "dim"),), ((clean(found.text), ""),)]


def _waits(key: str, state: RunState) -> tuple[str, str]:
    """How it is with one that has no score yet: in a word, and in a sentence."""
    accepted = any(normalise(event.template) == key for event in state.waiting)
    if state.status not in ENDED:
        return ("waits", "It waits to be scored.") if accepted else ("waits", "It was sent.")
    if accepted:
        return "not yet", "It will be scored when the run is taken up again."
    return "not taken", "The run ended before it was taken: inject it again."


def _last(rank: int | None) -> tuple[bool, int]:
    return rank is None, rank or 0

"""Why did it win? Two templates side by side: words, a paired test, classes and images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.pictures_of import picture_box, picture_of
from glov_tui.cockpit.screens.dialog import HELP_KEY, Dialog
from glov_tui.cockpit.why_lines import A, B, heads, why_lines
from glov_tui.terminal.terminal_kind import shows_shades
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from engine.analysis.why import Why


class WhyScreen(Dialog[str]):
    """Read only. It returns the key of the template that was marked here, or nothing."""

    OPENED_BY: ClassVar[str] = "why"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("b", "against('best')", "Best", tooltip="Compare with the best"),
        Binding("s", "against('seed')", "Seed", tooltip="Compare with the seed template"),
        Binding("p", "against('positive')", "P+", tooltip="Compare with P+"),
        Binding("left_square_bracket", "rank(-1)", "Rank", key_display="[ ]"),
        Binding("right_square_bracket", "rank(1)", "Next rank of B", key_display="]", show=False),
        Binding("x", "exchange", "Exchange", tooltip="A for B and B for A"),
        Binding("m", "mark", "Mark", tooltip="The next template is compared with A then"),
        Binding("n", "next_part", "Next part", tooltip="Words, test, classes, pairs, images"),
        Binding("y", "copy", "Copy A", tooltip="Copy template A (OSC 52)"),
        HELP_KEY,
    ]
    DEFAULT_CSS = """
    WhyScreen { align: center middle; }
    WhyScreen > TextView {
        width: 94%; max-width: 160; height: 88%; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(
        self,
        first: ScoredTemplate,
        second: ScoredTemplate,
        state: RunState,
        folder: Path,
        ascii_only: bool,
        slow_line: bool,
    ) -> None:
        """``folder`` is the run's; with ``ascii_only`` there are no pictures, and those for a
        ``slow_line`` are small.
        """
        super().__init__()
        self._first, self._second = first, second
        self._state = state
        self._folder = folder
        self._with_pictures = shows_shades() and not ascii_only
        self._slow_line = slow_line
        self._box: tuple[int, int] | None = None
        self._found: Why | None = None  # None: it is being read
        self._parts: list[int] = []
        self._pictures: dict[str, list[Line] | str] = {}

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        view = TextView()
        view.border_title = f"why did it win? {A} against {B}"
        yield view
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the texts at once, and read the rest."""
        view = self.query_one(TextView)
        view.say_what_is_below(view)
        view.focus()
        self._show()
        self.call_after_refresh(self._begin)

    def on_resize(self) -> None:
        """Tables and columns of pictures are those of the width."""
        self.call_after_refresh(self._show)

    def _begin(self) -> None:
        """Compare these two anew."""
        self._found, self._pictures = None, {}
        for view in self.query(TextView):  # none while the dialog is closed
            view.scroll_to(y=0, animate=False, immediate=True)
            if self._with_pictures:
                self._box = picture_box(view.size.height, self._slow_line)
            self._show()
            self.run_worker(self._look, thread=True, exclusive=True, exit_on_error=False)

    def _look(self) -> None:
        """On a thread: what both made of the images, then the pictures."""
        from engine.analysis.why import why_better

        worker = get_current_worker()
        found = why_better(self._folder, self._first, self._second, self._state)

        def show(pictures: dict[str, list[Line] | str]) -> None:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._take, found, pictures)

        show({})
        box = self._box
        if box is not None and (found.only_first or found.only_second):
            pictures: dict[str, list[Line] | str] = {}
            for image in (*found.only_first, *found.only_second):
                if image.first.file is not None and not worker.is_cancelled:
                    pictures[image.first.path] = picture_of(image.first.file, box)
            show(pictures)

    def _take(self, found: Why, pictures: dict[str, list[Line] | str]) -> None:
        if (found.first, found.second) == (self._first, self._second):
            self._found, self._pictures = found, pictures
            self._show()

    def _show(self) -> None:
        for view in self.query(TextView):
            width = view.scrollable_content_region.width
            if self._found is None:
                lines = heads(self._first, self._second, self._state)
                lines += [(("", ""),), (("Looking up what both made of the images.", "dim"),)]
            else:
                key = bound_key(self.app, "test")
                lines = why_lines(self._found, self._state, self._pictures, width, self._box, key)
            self._parts = [i for i, line in enumerate(lines) if line and line[0][1] == "mark"]
            view.set_lines(lines)

    # -- keys --------------------------------------------------------------------------------

    def action_against(self, whom: str) -> None:
        """Compare with the best, the seed or P+."""
        state = self._state
        positive = state.find(state.anchors[0]) if state.anchors else None
        other = {"best": state.best, "seed": state.seed, "positive": positive}[whom]
        names = {"best": "the best", "seed": "the seed template", "positive": "P+"}
        if other is None:
            self.notify(f"There is no {names[whom].removeprefix('the ')} yet.", timeout=4)
        elif other.key == self._first.key:
            self.notify(f"{A} is {names[whom]} itself.", timeout=4)
        elif other.key != self._second.key:
            self._second = other
            self._begin()

    def action_rank(self, by: int) -> None:
        """Compare with the next one in the ranking."""
        others = [t for t in self._state.ranking if t.key != self._first.key]
        keys = [t.key for t in others]
        at = keys.index(self._second.key) + by
        if 0 <= at < len(others):
            self._second = others[at]
            self._begin()

    def action_exchange(self) -> None:
        """A for B and B for A."""
        self._first, self._second = self._second, self._first
        self._begin()

    def action_mark(self) -> None:
        """Close, and have ``w`` on another template compare with A."""
        self.dismiss(self._first.key)

    def action_next_part(self) -> None:
        """Go to the next heading below the first row in view, or behind the last to the top."""
        self.query_one(TextView).go_to_next(self._parts)

    def action_copy(self) -> None:
        """Copy the text of A to the terminal's clipboard."""
        self.app.copy_to_clipboard(self._first.text)
        self.notify("Copied (if the terminal takes OSC 52).")

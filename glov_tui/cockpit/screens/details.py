"""One template in full: where it and its phrases come from, what it made of images, its hits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.pictures_of import picture_box, picture_of
from glov_tui.cockpit.screens.dialog import HELP_KEY, Dialog
from glov_tui.cockpit.template_lines import details
from glov_tui.common.text import clean
from glov_tui.terminal.terminal_kind import shows_shades
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from engine.analysis.image_predictions import LookedAt


class DetailsScreen(Dialog[str]):
    """Read only; the keys that act on the template work here too. It returns the template's key
    where that is to be compared with another.

    Its phrases are found on a thread, and what it made of images is read from the run's folder.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("n", "next_part", "Next part", tooltip="Phrases, confused classes, images, hits"),
        Binding("w", "why", "Why", tooltip="Why did it win? Beside the best or another"),
        Binding("y", "copy", "Copy", tooltip="Copy the template (OSC 52)"),
        HELP_KEY,
    ]
    DEFAULT_CSS = """
    DetailsScreen { align: center middle; }
    DetailsScreen > TextView {
        width: 90%; max-width: 150; height: 85%; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(
        self,
        template: ScoredTemplate,
        state: RunState,
        folder: Path,
        ascii_only: bool,
        slow_line: bool,
    ) -> None:
        """``folder`` is the run's; with ``ascii_only`` there are no pictures, and those for a
        ``slow_line`` are small.
        """
        super().__init__()
        self._template = template
        self._state = state
        self._folder = folder
        self._with_pictures = shows_shades() and not ascii_only
        self._slow_line = slow_line
        self._box: tuple[int, int] | None = None  # of each, from when they are drawn
        self._phrases: list[Line] = []
        self._found: LookedAt | str | None = None  # None: it is being read
        self._parts: list[int] = []  # lines that are headings
        self._pictures: dict[str, list[Line] | str] = {}

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what is known at once, and read the rest."""
        view = self.query_one(TextView)
        view.border_title = "template"
        view.say_what_is_below(view)
        view.focus()
        self.call_after_refresh(self._show)
        self.call_after_refresh(self._read)

    def on_resize(self) -> None:
        """Columns and pictures are those of the width."""
        self.call_after_refresh(self._show)

    def _read(self) -> None:
        if self._with_pictures:
            self._box = picture_box(self.query_one(TextView).size.height, self._slow_line)
        self.run_worker(self._look, thread=True, exit_on_error=False)

    def _look(self) -> None:
        """On a thread: what the template made of images, the pictures, then its phrases."""
        from engine.analysis.image_predictions import look_at_images
        from engine.analysis.phrases import PhraseBook
        from glov_tui.cockpit.phrase_lines import phrase_lines

        worker = get_current_worker()

        def show(found: LookedAt | str, pictures: dict[str, list[Line] | str]) -> None:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._take, found, pictures)

        found = look_at_images(self._folder, self._template, self._state)
        show(found, {})
        box = self._box
        if box is not None and not isinstance(found, str):
            pictures: dict[str, list[Line] | str] = {}
            for sample in found.samples:
                if sample.file is not None and not worker.is_cancelled:
                    pictures[sample.path] = picture_of(sample.file, box)
            show(found, pictures)
        phrases = phrase_lines(PhraseBook(self._state).of([self._template]))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take_phrases, phrases)

    def _take_phrases(self, lines: list[Line]) -> None:
        self._phrases = lines
        self._show()

    def _take(self, found: LookedAt | str, pictures: dict[str, list[Line] | str]) -> None:
        self._found, self._pictures = found, pictures
        self._show()

    def _show(self) -> None:
        for view in self.query(TextView):  # none while the dialog is closed
            images = self._images(view.scrollable_content_region.width)
            more = [*images, *self._phrases]
            lines = details(self._template, self._state, more)
            self._parts = [i for i, line in enumerate(lines) if line and line[0][1] == "mark"]
            view.set_lines(lines)

    def _images(self, width: int) -> list[Line]:
        from glov_tui.cockpit.image_samples import image_lines

        if self._found is None:
            return [(("", ""),), (("Looking up what it made of the images.", "dim"),)]
        if isinstance(self._found, str):
            return [(("", ""),), ((clean(self._found), "dim"),)]
        return image_lines(self._found, self._pictures, width, self._box)

    def action_next_part(self) -> None:
        """Go to the next heading below the first row in view, or behind the last to the top."""
        self.query_one(TextView).go_to_next(self._parts)

    def action_why(self) -> None:
        """Compare it with the best or another."""
        self.dismiss(self._template.key)

    def action_copy(self) -> None:
        """Copy the template's text to the terminal's clipboard."""
        self.app.copy_to_clipboard(self._template.text)
        self.notify("Copied (if the terminal takes OSC 52).")

"""The details of the selected template, open beside the panes: they follow the cursor.

What the details dialog has but for its pictures: those would cost a slow line too much here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.worker import get_current_worker

from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.template_lines import details
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

LOOK_SECONDS = 0.25  # between two looks at what is selected
REST_SECONDS = 0.4  # that the cursor stays on a template before its images are read


class BesideView(TextView):
    """All about the template under the cursor; its images and phrases are read on a thread."""

    DEFAULT_CSS = """
    BesideView {
        height: 1fr; border: round $foreground 35%; padding: 0 1;
        &:focus { border: round $accent; }
    }
    .-ascii BesideView { border: ascii $foreground 35%; }
    """

    def __init__(
        self,
        selected: Callable[[], str | None],
        state: Callable[[], RunState],
        folder: Path,
        closes: str = "D",
    ) -> None:
        """``selected`` gives the key under the cursor, ``state`` what is shown now.

        ``closes`` is the key that closes it.
        """
        super().__init__(id="beside")
        self.heading = f"details ({closes} closes)"
        self._selected, self._state, self._folder = selected, state, folder
        self._template: ScoredTemplate | None = None
        self._shown: RunState | None = None
        self._read: list[Line] = []

    def on_mount(self) -> None:
        """Follow the cursor."""
        self.set_interval(LOOK_SECONDS, self.look)

    def on_resize(self) -> None:
        """Wrap at the new width."""
        self._rewrap()
        self.look()

    def look(self) -> None:
        """Show what is selected now, where that is another or says more."""
        if not self.display:
            return
        state, key = self._state(), self._selected()
        template = state.find(key) if key is not None else None
        before, known = self._template, self._shown
        same = known is not None and state.scored is known.scored and state.tests is known.tests
        if template is before and same:
            return
        self._template, self._shown = template, state
        if template is None:
            self.set_lines([(("What is known of the selected template stands here.", "dim"),)])
            return
        if before is None or before.key != template.key:
            self._read = [(("", ""),), (("Looking up what it made of the images.", "dim"),)]
            self.scroll_to(y=0, animate=False, immediate=True)
            self.set_timer(REST_SECONDS, lambda: self._begin(template))
        self._draw()

    def _draw(self) -> None:
        if self._template is not None and self._shown is not None:
            self.set_lines(details(self._template, self._shown, self._read))

    def _begin(self, template: ScoredTemplate) -> None:
        if self._template is not None and self._template.key == template.key and self._shown:
            state = self._shown
            self.run_worker(
                lambda: self._look_up(template, state),
                thread=True,
                exclusive=True,
                exit_on_error=False,
            )

    def _look_up(self, template: ScoredTemplate, state: RunState) -> None:
        """On a thread."""
        from engine.analysis.image_predictions import look_at_images
        from engine.analysis.phrases import PhraseBook
        from glov_tui.cockpit.image_samples import image_lines
        from glov_tui.cockpit.phrase_lines import phrase_lines

        worker = get_current_worker()
        found = look_at_images(self._folder, template, state)
        if isinstance(found, str):
            lines: list[Line] = [(("", ""),), ((clean(found), "dim"),)]
        else:
            lines = image_lines(found, {}, self.size.width, None)
        lines += phrase_lines(PhraseBook(state).of([template]))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take, template.key, lines)

    def _take(self, key: str, lines: list[Line]) -> None:
        if self._template is not None and self._template.key == key:
            self._read = lines
            self._draw()

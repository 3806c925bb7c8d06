"""Help made from the bindings themselves, so that it can't be out of date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from glov_tui.screens.dialog import Dialog
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

ABOUT = (
    "glov optimises the prompt template of a vision-language model. Each step an LLM reads the "
    "meta-prompt with the best and worst templates so far and proposes new ones; each is scored "
    "on the few-shot images. From the first improvement on, the LLM's hidden states are moved "
    "from P- (second best) towards P+ (best) while it writes.",
    "Pausing takes effect within one token. Edits can be made any time, paused or not; each says "
    "from which step it holds, and can be undone until then.",
)


class HelpScreen(Dialog[None]):
    """All keys by group, and what the panes show."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,f1", "dismiss(None)", "Close", key_display="esc")
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > TextView {
        width: 90%; max-width: 100; height: 90%; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(self, groups: Iterable[tuple[str, list[Binding]]]) -> None:
        super().__init__()
        self._groups = list(groups)

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Fill it."""
        view = self.query_one(TextView)
        view.border_title = "help"
        lines: list[Line] = [((text, ""),) for text in ABOUT]
        for title, bindings in self._groups:
            lines += [(("", ""),), ((title, "mark"),)]
            for binding in bindings:
                key = self.app.get_key_display(binding)
                about = binding.tooltip or binding.description
                lines.append(((f"{key:>12}  ", "strong"), (about, "")))
        view.set_lines(lines)
        view.focus()

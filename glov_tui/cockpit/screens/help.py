"""Help made from the bindings themselves, so that it can't be out of date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.widgets import Input

from glov_tui.cockpit.bound_keys import KeyOf, keys_for
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.glyphs import Glyphs
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView, wrap

ABOUT = (
    "glov optimises the prompt template of a vision-language model. Each step an LLM reads the "
    "meta-prompt with the best and worst templates so far and proposes new ones; each is scored "
    "on the few-shot images. From the first improvement on, the LLM's hidden states are moved "
    "away from P- and towards P+ while it writes. P+ is the best template, P- the best one whose "
    "accuracy is lower; both move when a new best is found.",
    "Pausing takes effect within one token. Edits can be made any time, paused or not; each says "
    "from which step it holds, and can be undone until then.",
)
KEY_CELLS = 13
TWO_COLUMNS = 96  # cells from which groups stand beside each other


def keys_of(kinds: Mapping[str, Sequence[type[DOMNode]]]) -> list[tuple[str, list[Binding]]]:
    """Titles, and the keys that the widgets and screens under them have of their own."""
    groups = []
    for title, several in kinds.items():
        keys = [key for kind in several for key in kind.__dict__.get("BINDINGS", ())]
        groups.append((title, [key for key in keys if isinstance(key, Binding)]))
    return groups


def symbols(glyphs: Glyphs, key: KeyOf) -> list[tuple[str, str]]:
    """Every sign of the cockpit, and what it stands for; ``key`` gives that of an action."""
    states = [(sign, f"the run is {name}") for name, sign in glyphs.states.items() if sign.strip()]
    return [
        *states,
        (glyphs.changed, "selected row; line of the meta-prompt that is new"),
        ("P+ P-", "the templates that steering goes towards, and away from"),
        (glyphs.pinned, "pinned: always shown to the LLM"),
        (glyphs.noted, f"there is a note on it ({key('note')})"),
        (glyphs.told, f"one is told of the run when away ({key('tell-away')})"),
        (glyphs.banned, "banned: out of the examples, anchors and ensemble"),
        ("P, prob.", "mean probability of the true class, beside an accuracy"),
        ("h", "injected by a person"),
        (f"{glyphs.up}2 {glyphs.down}2", "ranks risen or fallen in the last step"),
        (glyphs.new, "reply with a new template"),
        (glyphs.duplicate, "reply that repeats a template"),
        (glyphs.rejected, "reply without a template, and why"),
        (glyphs.writing, "reply that is being written"),
        (glyphs.layer, "steered layer; alpha in use"),
        (glyphs.pointer, "layer that the keys choose, in the steering pane"),
        (glyphs.parted, "lab, compare: from here on the two replies differ"),
        ("*", "lab, grid: the cell that the run steers with"),
        ("< > ^ v", "lab, grid: there is more on that side"),
        (glyphs.shade, "the last steered step's norm, behind a bar"),
        ("e i s o", "on the chart's axis: edit, inject, steering, option"),
        ("p b P *", "pin, ban, P+ or P- chosen, several at once"),
        (
            f"{glyphs.points[0]} {glyphs.points[1]} {glyphs.points[2]}",
            "test of seed, best, ensemble",
        ),
        (
            glyphs.points[3],
            f"test that a person asked for ({key('test')}); the search has not seen it",
        ),
    ]


class HelpScreen(Dialog[None]):
    """All keys by task, and all symbols; ``/`` filters them."""

    OPENED_BY: ClassVar[str] = "help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "end_filter", "All", tooltip="Show all again"),
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Filter keys and symbols"),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > Vertical {
        width: 95%; max-width: 150; height: 92%; border: round $accent;
        padding: 0 1; background: $surface;
        Input { display: none; height: 1; border: none; padding: 0; }
        Input.-shown { display: block; }
    }
    """

    def __init__(self, groups: Iterable[tuple[str, list[Binding]]], glyphs: Glyphs) -> None:
        super().__init__()
        self._groups = list(groups)
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """The filter over one scrolling text."""
        with Vertical() as box:
            box.border_title = "help"
            yield Input(placeholder="filter: a key, a word", compact=True)
            yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Fill it."""
        self._fill()
        view = self.query_one(TextView)
        view.say_what_is_below(self.query_one(Vertical))
        view.focus()

    def on_resize(self) -> None:
        """One column or two."""
        self._fill()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape ends the filter first."""
        if action == "end_filter":
            return self.query_one(Input).has_class("-shown")
        return True

    def action_filter(self) -> None:
        """Type words to look for."""
        field = self.query_one(Input)
        field.add_class("-shown")
        field.display = True
        field.focus()
        self.refresh_bindings()

    def action_end_filter(self) -> None:
        """Show everything again."""
        field = self.query_one(Input)
        field.remove_class("-shown")
        field.display = False
        field.value = ""
        self.query_one(TextView).focus()
        self.refresh_bindings()

    @on(Input.Changed)
    def _filter_changed(self) -> None:
        self._fill()

    @on(Input.Submitted)
    def _filter_submitted(self) -> None:
        self.query_one(TextView).focus()

    def _fill(self) -> None:
        view = self.query_one(TextView)
        words = self.query_one(Input).value.casefold().split()
        width = view.scrollable_content_region.width
        columns = 2 if width >= TWO_COLUMNS else 1
        each = (width - 3 * (columns - 1)) // columns
        blocks = [
            block for title, rows in self._entries() if (block := _block(title, rows, words, each))
        ]
        lines: list[Line] = [] if words else [*(((text, ""),) for text in ABOUT), (("", ""),)]
        view.set_lines([*lines, *_beside(blocks, columns, each)])
        if words and not blocks:
            view.set_lines([(("Nothing has these words. Escape shows all.", "dim"),)])

    def _entries(self) -> Iterable[tuple[str, list[tuple[str, str]]]]:
        for title, bindings in self._groups:
            rows: dict[str, dict[str, None]] = {}
            for binding in bindings:
                key = self.app.get_key_display(binding)
                rows.setdefault(key, {})[binding.tooltip or binding.description] = None
            yield title, [(key, "; ".join(abouts)) for key, abouts in rows.items()]
        yield "symbols", symbols(self._glyphs, keys_for(self.app))


def _block(
    title: str, rows: Iterable[tuple[str, str]], words: Sequence[str], width: int
) -> list[Line]:
    """A title over the rows that have all words; nothing where none has."""
    lines: list[Line] = []
    for key, about in rows:
        text = f"{title} {key} {about}".casefold()
        if all(word in text for word in words):
            shown = f"{' ' * (KEY_CELLS - 2 - cell_len(key))}{key}  "
            first, *rest = wrap(((about, ""),), max(10, width - KEY_CELLS))
            lines.append(((shown, "strong"), *first))
            lines += [((" " * KEY_CELLS, ""), *row) for row in rest]
    return [((title, "mark"),), *lines, (("", ""),)] if lines else []


def _beside(blocks: Sequence[list[Line]], columns: int, width: int) -> list[Line]:
    """The blocks in columns of about the same height, from the top down."""
    half = sum(map(len, blocks)) / columns
    filled: list[list[Line]] = [[]]
    for block in blocks:
        if len(filled) < columns and len(filled[-1]) + len(block) / 2 > half:
            filled.append([])
        filled[-1] += block
    lines: list[Line] = []
    for at in range(max(map(len, filled))):
        row: Line = ()
        for number, column in enumerate(filled):
            line = column[at] if at < len(column) else ()
            if number < len(filled) - 1:
                used = sum(cell_len(text) for text, _ in line)
                line = (*line, (" " * (width - used + 3), ""))
            row += line
        lines.append(row)
    return lines

"""One template in full: where it comes from, its reply, and its hits class by class."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.common.wording import counted
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

BAR_CELLS = 10


class DetailsScreen(Dialog[None]):
    """Read only; the keys that act on the template work here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("y", "copy", "Copy", tooltip="Copy the template (OSC 52)"),
    ]
    DEFAULT_CSS = """
    DetailsScreen { align: center middle; }
    DetailsScreen > TextView {
        width: 90%; max-width: 110; height: 85%; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(self, template: ScoredTemplate, state: RunState) -> None:
        super().__init__()
        self._template = template
        self._state = state

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        yield TextView()
        yield KeyBar()

    def on_mount(self) -> None:
        """Fill it."""
        view = self.query_one(TextView)
        view.border_title = "template"
        view.set_lines(details(self._template, self._state))
        view.focus()

    def action_copy(self) -> None:
        """Copy the template's text to the terminal's clipboard."""
        self.app.copy_to_clipboard(self._template.text)
        self.notify("Copied (if the terminal takes OSC 52).")


def details(t: ScoredTemplate, state: RunState) -> list[Line]:
    """Everything that is known about a template, as lines."""
    low, high = t.interval
    rank = [r.key for r in state.ranking].index(t.key) + 1
    partial = state.is_partial(t)
    of_all = f", of {state.models.train_size}" if state.models and partial else ""
    lines: list[Line] = [
        ((clean(t.text), "strong"),),
        (("", ""),),
        (
            (f"few-shot accuracy {t.accuracy:.1%} ", ""),
            (
                f"({t.hits} of {counted(t.n, 'training image')}{of_all}; "
                f"95 % {low:.1%} to {high:.1%})",
                "dim",
            ),
        ),
        ((f"mean log-likelihood of the true class {t.margin:.4f}", ""),),
        ((f"rank {rank} of {len(state.templates)}", ""),),
        ((_origin(t), ""),),
    ]
    if t.unnamed:
        lines.append(((f"answers that name no class: {t.unnamed} of {t.n}, all wrong", ""),))
    if t.again:
        where = ", ".join(f"step {p.step} #{p.candidate + 1}" for p in t.again[:20])
        lines.append(((f"proposed again {counted(len(t.again), 'time')}: {where}", "dim"),))
    if t.reply:
        lines += [(("", ""),), (("reply it was read from", "mark"),)]
        lines += [((clean(text), "dim"),) for text in t.reply.splitlines()]
    if partial:  # of which classes the images were that were looked at is not known
        return lines
    lines += [(("", ""),), (("hits by class, lowest first", "mark"),)]
    by_class = state.class_hits(t)
    width = max((len(clean(name)) for name, _, _ in by_class), default=0)
    for name, hits, n in sorted(by_class, key=lambda item: item[1] / item[2]):
        filled = round(BAR_CELLS * hits / n)
        bar = "#" * filled + "." * (BAR_CELLS - filled)
        style = "bad" if hits / n < t.accuracy / 2 else ""
        lines.append(((f"{clean(name):<{width}} {bar} {hits}/{n}", style),))
    return lines


def _origin(t: ScoredTemplate) -> str:
    if t.origin == "seed":
        return "the seed template of the run"
    if t.origin == "human":
        return f"injected by a person in step {t.first.step}"
    attempt = f", attempt {t.first.attempt}" if t.first.attempt > 1 else ""
    return f"proposed by the LLM in step {t.first.step}{attempt}, reply {t.first.candidate + 1}"

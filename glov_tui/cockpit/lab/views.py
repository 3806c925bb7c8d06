"""What the lab shows of a state: the run's steering, the news of an experiment, and its results.

All are panes: the pump shows them the state, and they repaint what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import ClassVar

from textual.widgets import Static

from engine.run.experiment import (
    CompareSettings,
    ReadLens,
    ScanSettings,
    SteeringSetting,
)
from engine.run.experiment_state import ExperimentState
from engine.run.state import RunState
from glov_tui.cockpit.bound_keys import keys_for
from glov_tui.cockpit.lab import settings, traces
from glov_tui.cockpit.lab.obstacles import obstacle
from glov_tui.cockpit.panes.folding import folded_pair
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView

BAR_CELLS = 16
KINDS = {"compare-settings": "compare", "scan-settings": "grid", "read-lens": "lens"}
"""The view that shows the results of each kind of experiment."""


class LabHead(Static):
    """Three lines: the run's setting now and later, P+ and P-."""

    TITLE: ClassVar[str] = "the run"
    INTERVAL: ClassVar[float] = 0.25
    DEFAULT_CSS = """
    LabHead { height: 3; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False)

    def fingerprint(self, state: RunState) -> Hashable:
        """The text itself: it is cheap to make."""
        return head_text(state, self.content_size.width)

    def show(self, state: RunState) -> None:
        """Draw the lines, without a new layout."""
        self.update(head_text(state, self.content_size.width), layout=False)


def head_text(state: RunState, width: int) -> str:
    """What the run steers with, in three lines of ``width`` cells."""
    now, later = settings.setting_of(state), settings.setting_of(state.with_pending())
    nothing = "(the model is not there yet)" if state.models is None else "not steered"
    text = f"run {now.describe() if now else nothing}"
    if now is not None and later is not None and later != now:
        changes = ", ".join(_changes(now, later))
        text += f"; from step {state.pending[-1].step} on: {changes}"
    anchors = settings.anchors_of(state)
    if anchors is None:
        return f"{text}\nP+  none yet\nP-  none yet"
    held = " (chosen by hand)" if state.with_pending().anchors_held else ""
    positive, negative = (state.find(key) for key in anchors)
    if positive is None or negative is None:
        return text
    heads = (f"P+{held} {positive.accuracy:.1%} ", f"P-{held} {negative.accuracy:.1%} ")
    pair = folded_pair(heads, (clean(positive.text), clean(negative.text)), width)
    return "\n".join((text, *pair))


def _changes(now: SteeringSetting, later: SteeringSetting) -> Iterable[str]:
    if later.mode != now.mode:
        yield later.mode
    if later.layers != now.layers:
        plural = "s" if len(later.layers) > 1 else ""
        yield f"layer{plural} {settings.written_layers(later.layers)}"
    if later.alpha != now.alpha:
        yield f"alpha {later.alpha:g}"
    if later.alpha_unit != now.alpha_unit:
        yield later.alpha_unit
    if later.pool != now.pool:
        yield f"pool {later.pool}"


class LabMessage(Static):
    """What can't be done and why, how far an experiment is, or why it was given up."""

    TITLE: ClassVar[str] = "message"
    INTERVAL: ClassVar[float] = 0.25
    DEFAULT_CSS = """
    LabMessage {
        height: auto; max-height: 3; padding: 0 1; background: $panel;
        &.-problem { color: $text-error; text-style: bold; }
        &.-obstacle { color: $text-warning; }
    }
    """

    def __init__(self, ended: Callable[[], bool], run: str, ascii_only: bool) -> None:
        super().__init__("", markup=False)
        self._ended, self._run = ended, run
        self._full, self._empty = ("#", ".") if ascii_only else ("█", "░")
        self._typed_wrong = ""
        self._long = True

    def fingerprint(self, state: RunState) -> Hashable:
        """The text and its kind."""
        return self._text(state)

    def show(self, state: RunState) -> None:
        """Draw the message, with a new layout only where it needs other rows."""
        text, kind = self._text(state)
        self.set_class(kind == "problem", "-problem")
        self.set_class(kind == "obstacle", "-obstacle")
        before, self._long = self._long, len(text) + 2 > self.size.width
        self.update(text, layout=before or self._long)

    def say_wrong(self, message: str) -> None:
        """Say what is typed wrong until it is right; empty when it is."""
        self._typed_wrong = clean(message)

    def _text(self, state: RunState) -> tuple[str, str]:
        if self._typed_wrong:
            return self._typed_wrong, "problem"
        tried = state.experiment
        if tried is not None and tried.running and not self._ended():
            return self._progress(tried), ""
        problem = obstacle(state, self._ended(), self._run, keys_for(self.app))
        if problem is not None:
            return problem, "obstacle"
        if tried is not None and tried.problem is not None:
            return f"Given up: {clean(tried.problem)}", "problem"
        news = _news(tried) if tried is not None else ""
        return f"{news}Enter tries what is set above; the run does not change.", ""

    def _progress(self, tried: ExperimentState) -> str:
        name = KINDS[tried.experiment.kind].capitalize()
        if not tried.total:
            return f"{name}: beginning; escape gives it up."
        filled = round(BAR_CELLS * tried.done / tried.total)
        bar = self._full * filled + self._empty * (BAR_CELLS - filled)
        return f"{name} {bar} {tried.done / tried.total:.0%} done; escape gives it up."


def _news(tried: ExperimentState) -> str:
    name = KINDS[tried.experiment.kind].capitalize()
    match tried.experiment:
        case CompareSettings():
            whole = bool(tried.left)
        case ScanSettings(layers=layers, alphas=alphas):
            whole = len(tried.cells) == len(layers) * len(alphas)
        case ReadLens():
            whole = bool(tried.lens)
    return f"{name} done. " if whole else f"{name} ended early. "


class ResultView(TextView):
    """Results of one kind of experiment; those of before stay until there are others."""

    TITLE: ClassVar[str]
    INTERVAL: ClassVar[float] = 0.25
    HINT: ClassVar[str]

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(id=self.TITLE)
        self._ascii = ascii_only
        self._state = RunState()
        self._tried: ExperimentState | None = None

    def show(self, state: RunState) -> None:
        """Draw the results."""
        self._state = state
        if state.experiment is not None and self.has_results(state.experiment):
            self._tried = state.experiment
        self._draw()

    def on_resize(self) -> None:
        """Lay them out at another width."""
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width or 80
        hint: list[Line] = [((self.HINT, "dim"),)]
        self.set_lines(hint if self._tried is None else self.lines_of(self._tried, width))

    def has_results(self, tried: ExperimentState) -> bool:
        """Whether an experiment is of this kind, and its results are there."""
        raise NotImplementedError

    def lines_of(self, tried: ExperimentState, width: int) -> Sequence[Line]:
        """The results at a width."""
        raise NotImplementedError


class CompareView(ResultView):
    """Replies of two settings, token by token."""

    TITLE: ClassVar[str] = "compare"
    HINT: ClassVar[str] = (
        "Both settings answer the run's meta-prompt with the same random numbers. Under each token "
        "stands how far its distribution is from that without steering; fluency is the mean "
        "log-likelihood of a token without steering."
    )

    def fingerprint(self, state: RunState) -> Hashable:
        """Replies come all at once."""
        tried = state.experiment
        if tried is None or not isinstance(tried.experiment, CompareSettings):
            return None
        return tried.experiment, tried.left, tried.right

    def has_results(self, tried: ExperimentState) -> bool:
        """Whether replies are there."""
        return isinstance(tried.experiment, CompareSettings) and bool(tried.left)

    def lines_of(self, tried: ExperimentState, width: int) -> Sequence[Line]:
        """The replies beside each other."""
        assert isinstance(tried.experiment, CompareSettings)
        pair = (tried.experiment.left, tried.experiment.right)
        return traces.comparison_lines(tried.left, tried.right, pair, width, self._ascii)


class LensView(ResultView):
    """The tokens that each layer's direction raises and lowers most."""

    TITLE: ClassVar[str] = "lens"
    HINT: ClassVar[str] = (
        "The direction from P- to P+ of each layer, read through the LLM's head: the tokens whose "
        "logits it raises and lowers most."
    )

    def fingerprint(self, state: RunState) -> Hashable:
        """The lens comes all at once; the steered layers are marked in it."""
        tried = state.experiment
        if tried is None or not isinstance(tried.experiment, ReadLens):
            return None
        return tried.lens, settings.setting_of(state)

    def has_results(self, tried: ExperimentState) -> bool:
        """Whether the lens was read."""
        return isinstance(tried.experiment, ReadLens) and bool(tried.lens)

    def lines_of(self, tried: ExperimentState, width: int) -> Sequence[Line]:
        """A line or more for each layer."""
        now = settings.setting_of(self._state)
        steered = now.layers if now is not None and now.mode != "off" else ()
        return traces.lens_lines(tried.lens, width, steered, self._ascii)

"""Steering, layer by layer: how far apart P+ and P- are, and where the offset is injected."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from engine.run.events import SteeringPrepared
from engine.run.state import RunState
from engine.search.registry import is_steered
from glov_tui.cockpit.choices import steered_layers
from glov_tui.cockpit.panes.steering_lines import (
    ASCII_MARKS,
    Marks,
    shown_effect,
    shown_steering,
    shown_trials,
    shown_warnings,
    steering_lines,
)
from glov_tui.common.glyphs import ASCII, Glyphs
from glov_tui.widgets.hbars import Bar, HBars

COSINE = 6  # columns of a cosine and the space before it
LEAST_BAR = 12  # columns of a full bar that cosines leave
LEGENDS = (
    ("norm, % of hidden norm", "norm, %"),
    ("norm, % of hidden norm, cosine with last step", "norm, %, cosine with last step"),
    (
        "norm, % of hidden norm, cosine: last step, layer below",
        "norm, %, cosine: last step, layer below",
        "cosine: last step, layer below",
    ),
)
"""What the columns right of the bars are, by the number of cosines, from long to short."""


class SteeringPane(Vertical):
    """Mode, layer and alpha above one bar per decoder layer: the norm of H+ - H-.

    Right of a bar: the norm, its ratio to the mean norm of the hidden states it is added to, and
    the cosine with the last steered step's direction and with the layer below; the shade behind it
    is the last steered step. Below: what is known of each alpha where it is chosen by the run, and
    what steering did to the next token.
    """

    TITLE: ClassVar[str] = "steering"
    INTERVAL: ClassVar[float] = 0.5
    DEFAULT_CSS = """
    SteeringPane {
        Static { height: 0; text-wrap: nowrap; }
        HBars { height: 1fr; }
    }
    """

    @dataclass
    class LayerChosen(Message):
        """Enter or a click on a layer."""

        layer: int

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="steering")
        self.border_title = self.TITLE
        self._ascii = glyphs is ASCII
        self._state = RunState()
        self.past = False
        """Whether another moment of a run is shown: then what is of another step is not."""
        self._shown: SteeringPrepared | None = None
        self._before: tuple[float, ...] = ()

    def compose(self) -> ComposeResult:
        """Settings over bars over what came of them."""
        yield Static("", id="steering-settings", markup=False)
        yield HBars(ascii=self._ascii)
        outcome = Static("", id="steering-outcome", markup=False)
        outcome.tooltip = (
            "reward: accuracy of an alpha's replies less that of P+, in points, with its standard "
            "error (replies).\neffect: how far steering moved the distribution of the next token."
        )
        yield outcome

    def fingerprint(self, state: RunState) -> Hashable:
        """Offsets, choices and effects come once per step; settings with edits."""
        return (
            self.past and state.step,
            state.steering,
            state.steering_before,
            shown_effect(state, self.past),
            shown_trials(state),
            shown_warnings(state),
            state.pending,
            state.config and state.config.steering,
            state.models,
            state.anchors,
            state.anchors_held,
        )

    def show(self, state: RunState) -> None:
        """Draw the text and the bars."""
        self._state = state
        steering = shown_steering(state, self.past)
        if steering is not None and (self._shown is None or self._shown.step != steering.step):
            own = self.past or steering is state.steering
            before = state.steering_before if own else self._shown
            self._before = before.norms if before is not None else ()
        self._shown = steering if self.past else steering or self._shown
        self._draw()

    def on_resize(self) -> None:
        """Other lines and columns fit now."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        marks = ASCII_MARKS if self._ascii else Marks()
        above, below = steering_lines(self._state, width, height, marks, self.past)
        for name, lines in (("settings", above), ("outcome", below)):
            static = self.query_one(f"#steering-{name}", Static)
            static.update("\n".join(lines), layout=False)
            static.styles.height = len(lines)  # asks for a layout only where it changes
        bars = self.query_one(HBars)
        if self._shown is not None:
            bars.set_bars(self._bars(self._shown))
        elif self._state.models is not None and self._state.models.llm_layers:
            config = self._state.config
            steered = config is not None and is_steered(config)
            marked = steered_layers(self._state) if steered else ()
            layers = range(self._state.models.llm_layers)
            self.border_title = self.TITLE
            if self.past:
                self.border_title += f": step {self._state.step}, not steered"
            self.border_subtitle = ""
            bars.set_bars([Bar(str(n), 0.0, "", n in marked) for n in layers])

    def _bars(self, steering: SteeringPrepared) -> list[Bar]:
        notes = [
            f"{norm:.2f} {ratio:>4.0%}"
            for norm, ratio in zip(steering.norms, steering.ratios, strict=True)
        ]
        # Columns for the scroll bar, cursor, mark and the spaces around a bar come first.
        room = self.size.width - 6 - len(str(len(notes))) - max(map(len, notes)) - LEAST_BAR
        # Both columns are kept from the first step on, which has no step before it.
        below = steering.neighbour_cosines[1:]  # the lowest layer has none below it
        cosines = (steering.previous_cosines or [None] * len(notes), [None, *below])
        count = max(0, min(len(cosines), room // COSINE)) if below else 0
        ghosts = self._before if len(self._before) == len(notes) else ()
        title = f"{self.TITLE}: step {steering.step}"
        whole = f"{title}, |H+ - H-| by layer"
        self.border_title = whole if len(whole) <= self.size.width - 4 else title
        fitting = (text for text in LEGENDS[count] if len(text) <= self.size.width - 4)
        self.border_subtitle = next(fitting, "")
        return [
            Bar(
                label=str(layer),
                value=steering.norms[layer],
                note=note + "".join(_cosine(values[layer]) for values in cosines[:count]),
                marked=layer in steering.layers,
                ghost=ghosts[layer] if ghosts else None,
            )
            for layer, note in enumerate(notes)
        ]

    @on(HBars.BarSelected)
    def _bar_selected(self, event: HBars.BarSelected) -> None:
        event.stop()
        self.post_message(self.LayerChosen(event.index))


def _cosine(value: float | None) -> str:
    """As wide as any other, also where there is none."""
    return f"{'-':>{COSINE}}" if value is None else f"{value:>{COSINE}.2f}"

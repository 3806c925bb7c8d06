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

from engine.state import RunState
from glov_tui.choices import steered_layers
from glov_tui.text import clean
from glov_tui.widgets.hbars import Bar, HBars


class SteeringPane(Vertical):
    """Mode, layer and alpha above one bar per decoder layer: the norm of H+ - H-.

    The note beside a bar is its ratio to the mean norm of the hidden states it is added to; the
    shade behind it is the step before.
    """

    TITLE: ClassVar[str] = "steering"
    INTERVAL: ClassVar[float] = 0.5
    DEFAULT_CSS = """
    SteeringPane {
        #steering-settings { height: auto; max-height: 4; }
        HBars { height: 1fr; }
    }
    """

    @dataclass
    class LayerChosen(Message):
        """Enter or a click on a layer."""

        layer: int

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(id="steering")
        self.border_title = self.TITLE
        self._ascii = ascii_only
        self._norms: tuple[float, ...] = ()
        self._before: tuple[float, ...] = ()
        self._step = 0

    def compose(self) -> ComposeResult:
        """Settings over bars."""
        yield Static("", id="steering-settings", markup=False)
        yield HBars(ascii=self._ascii)

    def fingerprint(self, state: RunState) -> Hashable:
        """Offsets come once per step; settings with edits."""
        return state.steering, state.pending, state.config and state.config.steering, state.models

    def show(self, state: RunState) -> None:
        """Draw the settings and the bars."""
        self.query_one("#steering-settings", Static).update(_settings(state))
        steering = state.steering
        if steering is None:
            if not self._norms and state.models is not None and state.models.llm_layers:
                marked = steered_layers(state)
                bars = [Bar(str(n), 0.0, "", n in marked) for n in range(state.models.llm_layers)]
                self.query_one(HBars).set_bars(bars)
            return
        if steering.step != self._step:
            self._before, self._norms = self._norms, steering.norms
            self._step = steering.step
        ghosts = self._before if len(self._before) == len(steering.norms) else ()
        self.query_one(HBars).set_bars(
            [
                Bar(
                    label=str(layer),
                    value=norm,
                    note=f"{norm:.2f} {ratio:>4.0%}",
                    marked=layer in steering.layers,
                    ghost=ghosts[layer] if ghosts else None,
                )
                for layer, (norm, ratio) in enumerate(
                    zip(steering.norms, steering.ratios, strict=True)
                )
            ]
        )
        self.border_title = f"{self.TITLE}: step {steering.step}, |H+ - H-| by layer"

    @on(HBars.BarSelected)
    def _bar_selected(self, event: HBars.BarSelected) -> None:
        event.stop()
        self.post_message(self.LayerChosen(event.index))


def _settings(state: RunState) -> str:
    if state.config is None:
        return ""
    now = _setting(state)
    later = _setting(state.with_pending())
    text = now if later == now else f"{now}\n-> {later} from step {state.pending[-1].step} on"
    if state.config.steering.mode == "off":
        return text
    if state.anchors is None:
        return f"{text}\nNot steering yet: no template has beaten the seed."
    positive, negative = (state.find(key) for key in state.anchors)
    held = " (chosen by hand)" if state.anchors_held else ""
    if positive is not None and negative is not None:
        text += f"\nP+ {positive.accuracy:.1%} {clean(positive.text)}{held}"
        text += f"\nP- {negative.accuracy:.1%} {clean(negative.text)}"
    return text


def _setting(state: RunState) -> str:
    assert state.config is not None
    steering = state.config.steering
    if steering.mode == "off":
        return "off"
    layers = steered_layers(state)
    where = ", ".join(map(str, layers)) if layers else str(steering.layers)
    plural = "s" if len(layers) > 1 else ""
    return f"{steering.mode}, layer{plural} {where}, alpha {steering.alpha:g}"

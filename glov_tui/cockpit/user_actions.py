"""The cockpit as its person wants it: keys and theme of the own file, the theme of last time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from engine.common.errors import UserError
from glov_tui.cockpit.beside import BesideActions
from glov_tui.cockpit.keys import KEYS, PAST_KEYS, with_ids
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.registry import NUMBERS
from glov_tui.cockpit.themes import begin_in_colours
from glov_tui.cockpit.user_settings import UserSettings, read_settings, remember_theme
from glov_tui.common.text import clean
from glov_tui.widgets.hbars import HBars
from glov_tui.widgets.item_view import ItemView
from glov_tui.widgets.line_chart import LineChart
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView

_PANES = (
    (ExamplesPane, "templates"),
    (RowTable, "templates"),
    (CandidatesPane, "candidates"),
    (ItemView, "candidates"),
    (AccuracyPane, "chart"),
    (LineChart, "chart"),
    (HBars, "steering"),
    (LogPane, "log"),
    (TextView, "texts"),
)
"""The widgets of the panes, whose own keys come before those of the cockpit."""
PROBLEM_SECONDS = 30


def _taken() -> dict[str, str]:
    """Keys that nothing else can have, and what they do."""
    taken = dict.fromkeys(NUMBERS, "goes to a pane")
    taken |= dict.fromkeys(_keys_of(App), "leaves the cockpit")
    for widget, where in _PANES:
        for key in _keys_of(widget):
            taken.setdefault(key, f"has a meaning in the pane of the {where}")
    for key in _keys_of(Screen):
        taken.setdefault(key, "goes from field to field, or copies")
    return taken


def _keys_of(kind: type[DOMNode]) -> Iterator[str]:
    """Keys that a widget, screen or app has of its own."""
    bindings: Iterable[BindingType] = kind.__dict__.get("BINDINGS", ())
    for binding in bindings:
        if isinstance(binding, Binding):
            yield from binding.key.split(",")


class UserActions(BesideActions):
    """Reads the settings before the first paint, so that nothing is bound or coloured twice."""

    _settings = UserSettings()
    _keys_of_user: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def _use_settings(self) -> None:
        begin_in_colours(self)
        movable = [key for key in with_ids([*PAST_KEYS, *KEYS]) if key.id is not None]
        self._settings = read_settings(movable, _taken(), self.available_themes)
        if self._settings.theme is not None:
            self.theme = self._settings.theme
        if self._settings.keys:
            self.set_keymap({name: ",".join(keys) for name, keys in self._settings.keys.items()})

    def _settings_in_use(self) -> None:
        """Say what can't be used, and listen for another theme."""
        self.watch(self, "theme", self._theme_chosen, init=False)
        problems = "\n".join(clean(problem) for problem in self._settings.problems)
        if problems:
            self.notify(problems, title="Settings", severity="warning", timeout=PROBLEM_SECONDS)

    def get_key_display(self, binding: Binding) -> str:
        """The key as it is bound, also of a binding that was written down with another."""
        keys = self._settings.keys.get(binding.id or "", ())
        if not keys or binding.key in keys:
            return super().get_key_display(binding)
        shown = (super(UserActions, self).get_key_display(binding.with_key(key)) for key in keys)
        return ", ".join(shown)

    def _theme_chosen(self, name: str) -> None:
        if self._settings.is_written:
            self.notify(
                f"config.toml says [screen] theme: {name} is for this screen only.",
                timeout=8,
            )
            return
        try:
            remember_theme(name)
        except (OSError, UserError) as error:
            self.notify(f"The theme can't be remembered: {clean(str(error))}", severity="warning")

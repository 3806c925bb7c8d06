"""Widgets whose parts have colours of the theme: found once, not whenever the focus moves."""

from __future__ import annotations

from textual.css.model import RuleSet
from textual.widget import Widget


class KeepsComponentStyles(Widget):
    """Its component classes look the same whatever has the focus, and whatever class it has.

    Textual finds the styles of each anew with those of the widget: ten and more a widget, half of
    what a change of pane took. Here that is done once for a stylesheet; a theme is another one.
    """

    _found_in: list[RuleSet] | None = None

    def _get_component_classes(self) -> frozenset[str]:  # type: ignore[override]
        rules = self.app.stylesheet.rules  # another list whenever it is parsed
        if rules is self._found_in:
            return frozenset()  # what was found stays
        self._found_in = rules
        return type(self)._component_classes()

    @classmethod
    def _component_classes(cls) -> frozenset[str]:
        return super()._get_component_classes()

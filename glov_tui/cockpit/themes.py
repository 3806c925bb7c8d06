"""The cockpit's own themes, beside those that Textual has.

Each theme has one accent, and colours of states that are told apart by the people it is for. How
far apart, and how readable on every background, is a test:
``tests/glov_tui/cockpit/test_themes.py`` simulates the deficiencies (Machado, Oliveira and
Fernandes 2009) and measures CIEDE2000.
"""

from __future__ import annotations

import os
from typing import Any

from textual.app import App
from textual.theme import Theme

DEFAULT = "glov"
DEFAULT_IN_GREY = "high-contrast"
"""Where NO_COLOR leaves only greys: those of the other themes are too close to be read well."""

_DARK = {"background": "#101318", "surface": "#181c23", "panel": "#232933"}
_LIGHT = {"background": "#f6f7f9", "surface": "#eceef2", "panel": "#dfe3ea"}


def _theme(
    name: str, grounds: dict[str, str], foreground: str, muted: str = "auto 60%", **colours: str
) -> Theme:
    """A theme whose text has the very colours that are given: Textual would make pastels of them.

    ``colours``: success, warning, error, accent and secondary.
    """
    texts = {f"text-{role}": colour for role, colour in colours.items()}
    return Theme(
        name=name,
        primary=colours["accent"],
        secondary=colours["secondary"],
        warning=colours["warning"],
        error=colours["error"],
        success=colours["success"],
        accent=colours["accent"],
        foreground=foreground,
        background=grounds["background"],
        surface=grounds["surface"],
        panel=grounds["panel"],
        dark=grounds["background"] < "#8",
        variables={
            **texts,
            "text-primary": colours["accent"],
            "text-muted": muted,
            "text-disabled": muted,  # of what stands in an empty field
            "input-selection-background": f"{colours['accent']} 25%",
            "scrollbar": f"{foreground} 45%",
            "scrollbar-background": grounds["panel"],
        },
    )


THEMES: tuple[Theme, ...] = (
    _theme(
        DEFAULT,
        _DARK,
        "#e3e6eb",
        success="#88edbf",
        warning="#ffd62f",
        error="#df7062",
        accent="#5293f6",
        secondary="#debeff",
    ),
    _theme(
        "glov-light",
        _LIGHT,
        "#1a1d22",
        success="#1f5c49",
        warning="#736302",
        error="#811520",
        accent="#0358d6",
        secondary="#3b2b48",
    ),
    _theme(
        "colour-blind-red-green",
        _DARK,
        "#e3e6eb",
        success="#6ec2a2",
        warning="#fffa93",
        error="#e47563",
        accent="#5fc7f6",
        secondary="#b483a8",
    ),
    _theme(
        "colour-blind-red-green-light",
        _LIGHT,
        "#1a1d22",
        success="#08615b",
        warning="#825d00",
        error="#6a1811",
        accent="#1842a6",
        secondary="#2d1c44",
    ),
    _theme(
        "colour-blind-blue-yellow",
        _DARK,
        "#e3e6eb",
        success="#09febf",
        warning="#ffe11f",
        error="#ff5958",
        accent="#6c99b3",
        secondary="#ae93bf",
    ),
    _theme(
        "colour-blind-blue-yellow-light",
        _LIGHT,
        "#1a1d22",
        success="#1d404a",
        warning="#70602c",
        error="#b60d10",
        accent="#0060cc",
        secondary="#271327",
    ),
    _theme(
        "high-contrast",
        {"background": "#000000", "surface": "#000000", "panel": "#1c1c1c"},
        "#ffffff",
        muted="auto 85%",
        success="#76ffb4",
        warning="#ffea2e",
        error="#f68f53",
        accent="#c8dbff",
        secondary="#ba95fd",
    ),
    _theme(
        "high-contrast-light",
        {"background": "#ffffff", "surface": "#ffffff", "panel": "#ececec"},
        "#000000",
        muted="auto 85%",
        success="#1d4d7f",
        warning="#5a4600",
        error="#67152c",
        accent="#0a0092",
        secondary="#0d0c3d",
    ),
)


def begin_in_colours(app: App[Any]) -> None:
    """Register the themes, and begin in ours unless TEXTUAL_THEME or NO_COLOR asks for another.

    Before the first paint: to change a theme later is to style all anew.
    """
    for theme in THEMES:
        app.register_theme(theme)
    asked = os.environ.get("TEXTUAL_THEME", "")
    default = DEFAULT_IN_GREY if os.environ.get("NO_COLOR") else DEFAULT
    app.theme = asked if asked in app.available_themes else default

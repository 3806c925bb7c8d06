"""Every theme of the cockpit: readable, and its states told apart by those whom it is for."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import Theme

from glov_tui.cockpit.lab.heat import LEVELS, ramp
from glov_tui.cockpit.themes import DEFAULT, DEFAULT_IN_GREY, THEMES, begin_in_colours
from glov_tui.widgets.heat_table import HeatCell, HeatTable
from tests.support.colours import VISIONS, ciede2000, contrast, seen_distance
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step, settle

ROLES = ("success", "warning", "error", "accent", "secondary")
GROUNDS = ("background", "surface", "panel")
LEAST_CONTRAST = 4.5  # WCAG 2.2, level AA
HIGH_CONTRAST = 7.0  # level AAA
TOLD_APART = 10.0  # CIEDE2000; a just noticeable difference is about 1


def visions(theme: Theme) -> list[str]:
    """Whom a theme is for."""
    if "red-green" in theme.name:
        return ["normal", "protanopia", "deuteranopia"]
    if "blue-yellow" in theme.name:
        return ["normal", "tritanopia"]
    return list(VISIONS)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [  # Sharma, Wu and Dalal 2005, table 1
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_is_the_published_one(one, other, difference) -> None:
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_states_are_told_apart(theme: Theme) -> None:
    drawn = theme.to_color_system().generate() | theme.variables
    colours = {role: drawn[f"text-{role}"] for role in ROLES} | {"text": drawn["foreground"]}
    pairs = itertools.combinations(colours, 2)
    for vision, (one, other) in itertools.product(visions(theme), pairs):
        seen = seen_distance(colours[one], colours[other], vision)
        assert seen >= TOLD_APART, f"{one} and {other} with {vision}: {seen:.1f}"


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_text_is_readable(theme: Theme) -> None:
    drawn = theme.to_color_system().generate() | theme.variables
    least = HIGH_CONTRAST if theme.name.startswith("high-contrast") else LEAST_CONTRAST
    for role, ground in itertools.product(("foreground", *ROLES), GROUNDS):
        text = drawn[role if role == "foreground" else f"text-{role}"]
        assert contrast(text, drawn[ground]) >= least, f"{role} on {ground}"


def test_without_colours_every_text_is_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app: App[None] = App()
    begin_in_colours(app)
    assert app.theme == DEFAULT_IN_GREY
    theme = app.current_theme
    drawn = theme.to_color_system().generate() | theme.variables
    greys = {name: Color.parse(drawn[name]).monochrome.hex6 for name in (*GROUNDS, "foreground")}
    greys |= {role: Color.parse(drawn[f"text-{role}"]).monochrome.hex6 for role in ROLES}
    for text, ground in itertools.product(("foreground", *ROLES), GROUNDS):
        assert contrast(greys[text], greys[ground]) >= LEAST_CONTRAST, f"{text} on {ground}"
    monkeypatch.delenv("NO_COLOR")
    begin_in_colours(app)
    assert app.theme == DEFAULT


def texts_on(app: App) -> list[tuple[str, str, str]]:
    """Every piece of text that is drawn, its colour and the one behind it; no lines, bars, dots."""
    found = []
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            style = segment.style
            text = "".join(c for c in segment.text if c.isalnum())
            if not text or style is None or style.color is None or style.bgcolor is None:
                continue
            front, back = (Color.from_rich_color(c).hex6 for c in (style.color, style.bgcolor))
            found.append((text, back, front) if style.reverse else (text, front, back))
    return found


@pytest.mark.parametrize(
    "keys", ["", "e", "o", "f", "M", "C", "/", "T"], ids=lambda keys: keys or "panes"
)
async def test_what_is_drawn_is_readable_in_every_theme(tmp_path: Path, keys: str) -> None:
    """The colours of widgets of Textual too, dim ones, and those of a selection."""
    run = HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7, "an old <category>.": 5}, BEST))
    async with cockpit(run, (120, 40)) as (pilot, app):
        await pilot.press(*keys)
        for theme in THEMES:
            app.theme = theme.name
            await settle(pilot)
            least = HIGH_CONTRAST if theme.name.startswith("high-contrast") else LEAST_CONTRAST
            seen = texts_on(app)
            assert len(seen) > 5
            for text, front, back in seen:
                assert contrast(front, back) >= least, (theme.name, text, front, back)


class HeatApp(App[None]):
    """The heat table alone."""

    def __init__(self, colours: bool = True) -> None:
        super().__init__()
        self._colours = colours

    def compose(self) -> ComposeResult:
        """One row with every level."""
        yield HeatTable(ramp(False), colours=self._colours)

    def on_mount(self) -> None:
        """Fill it."""
        cells = [[HeatCell(f"{level}", level) for level in range(LEVELS)]]
        self.query_one(HeatTable).set_table("", [str(i) for i in range(LEVELS)], [""], cells)


@pytest.mark.parametrize("colours", [True, False])
async def test_heat_is_read_by_signs_alone_where_shades_are_not_shown(colours: bool) -> None:
    """Of 16 colours two shades are one: then each sign stands on the ground of the screen."""
    app = HeatApp(colours)
    begin_in_colours(app)
    async with app.run_test():
        strip = app.query_one(HeatTable).render_line(1)
        grounds = {s.style.bgcolor for s in strip if s.style and s.text.strip(" 0")}
        assert (len(grounds) > 1) is colours
        assert all(sign in strip.text for sign in ramp(False))


async def test_heat_is_a_ramp_that_is_read_in_every_theme() -> None:
    app = HeatApp()
    begin_in_colours(app)
    assert app.theme == DEFAULT
    async with app.run_test() as pilot:
        table = app.query_one(HeatTable)
        for name in (*(theme.name for theme in THEMES), "textual-dark", "textual-light"):
            app.theme = name
            await pilot.pause()
            styles = [table.get_component_rich_style(f"heat--{i}") for i in range(LEVELS)]
            shades = [Color.from_rich_color(style.bgcolor) for style in styles]
            lights = [shade.brightness for shade in shades]
            assert lights in (sorted(lights), sorted(lights, reverse=True)), name
            for style, shade in zip(styles, shades, strict=True):
                text = Color.from_rich_color(style.color)
                assert contrast(text.hex6, shade.hex6) >= LEAST_CONTRAST, (name, shade)
            for vision in VISIONS:
                ends = seen_distance(shades[0].hex6, shades[-1].hex6, vision)
                assert ends > 2.5 * TOLD_APART, (name, vision)
                for one, other in itertools.pairwise(shades):
                    assert seen_distance(one.hex6, other.hex6, vision) > 3, (name, vision)

"""What a change of pane costs: what looks as before is neither styled nor drawn anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual._compositor import LayoutUpdate
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step, settle


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    return HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7}, BEST))


async def test_the_styles_of_parts_are_found_once_for_a_theme(session: HeldSession) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        table = app.query_one(RowTable)
        pane = app.query_one(CandidatesPane)  # has the class of the focus, and the focus
        await pilot.press("4", "2")  # the rules of all that is shown are read by then
        await settle(pilot)
        before = dict(table._component_styles), dict(pane._component_styles)
        held = table.render_line(1)
        await pilot.press("4")
        await settle(pilot)
        assert (table.has_focus, pane.has_focus) == (False, True)
        for kept, widget in zip(before, (table, pane), strict=True):
            found = widget._component_styles
            assert kept and all(found[name] is styles for name, styles in kept.items())
        away = table.render_line(1)
        assert away.text == held.text
        assert [s.style for s in away] != [s.style for s in held]  # whether keys move its cursor
        dim = table.get_component_rich_style("spans--dim")
        app.theme = "glov-light"
        await settle(pilot)
        assert table.get_component_rich_style("spans--dim") != dim


async def test_the_screen_is_drawn_once_and_where_it_changed(
    session: HeldSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []
    display = App._display

    def seen(app: App[Any], screen: Any, update: Any) -> None:
        drawn.append(update)
        display(app, screen, update)

    monkeypatch.setattr(App, "_display", seen)
    async with cockpit(session, (80, 24)) as (pilot, _):
        await settle(pilot)
        drawn.clear()
        await pilot.press("4")
        await settle(pilot)
        assert drawn
        assert not [update for update in drawn if isinstance(update, LayoutUpdate)]


@pytest.fixture
def styled(monkeypatch: pytest.MonkeyPatch) -> Counter[DOMNode]:
    """How often each was styled after it was composed."""
    found: Counter[DOMNode] = Counter()
    update_nodes = Stylesheet.update_nodes

    def seen(sheet: Stylesheet, nodes: Iterable[DOMNode], animate: bool = False) -> None:
        given = list(nodes)
        found.update(given)
        update_nodes(sheet, given, animate=animate)

    monkeypatch.setattr(Stylesheet, "update_nodes", seen)
    return found


async def test_a_pane_that_is_zoomed_has_all_styled_once(
    session: HeldSession, styled: Counter[DOMNode]
) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        await settle(pilot)
        styled.clear()
        await pilot.press("z")
        await settle(pilot)
        assert styled[app.screen] == 1


@pytest.mark.parametrize("key", ["C", "i", "S"])  # dialogs, and a screen of panes
async def test_a_screen_that_is_opened_is_styled_while_it_is_composed(
    session: HeldSession, styled: Counter[DOMNode], key: str
) -> None:
    async with cockpit(session, (120, 40)) as (pilot, app):
        await pilot.press(key)
        await settle(pilot)
        assert len(app.screen_stack) == 2
        assert styled[app.screen] == 0  # and not once more when it comes to the top


class KeysApp(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding(key, f"do('{key}')", key) for key in "xyz"]

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[object, ...]] = Counter()

    def compose(self) -> ComposeResult:
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "do":
            self.asked[parameters] += 1
        return True


async def test_the_line_of_keys_asks_once_whether_each_works() -> None:
    app = KeysApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.asked.clear()
        app.screen.refresh_bindings()
        await pilot.pause()
        assert app.asked == {("x",): 1, ("y",): 1, ("z",): 1}

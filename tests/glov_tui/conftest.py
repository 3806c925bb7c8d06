"""What the tests of screens share: style sheets are parsed once, and drawn is what can be seen."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import pytest
from textual.app import App
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot
from textual.screen import Screen


@pytest.fixture(scope="session", autouse=True)
def _styles_parsed_once() -> Iterator[None]:
    """Textual parses the style sheets of all widgets anew in each app: a tenth of its start.

    Rules are not changed once they are parsed: the screens of one app share them too.
    """
    parse = Stylesheet._parse_rules
    known: dict[Hashable, list[Any]] = {}

    def parsed(sheet: Stylesheet, *arguments: Any, **named: Any) -> list[Any]:
        variables = frozenset(sheet._variables.items())
        key = (variables, arguments, *sorted(named.items()))
        if key not in known:
            known[key] = parse(sheet, *arguments, **named)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield


@pytest.fixture(scope="session", autouse=True)
def _drawn_once_a_pause() -> Iterator[None]:
    """An app without a terminal draws what has changed when its test pauses, and when it ends.

    Textual would do so sixty times a second, for nobody, which was a third of what these tests
    cost. Layouts and callbacks come as ever; what has changed is kept until it is drawn.
    """
    draw, pause, end = Screen._compositor_refresh, Pilot.pause, App._shutdown

    def later(screen: Screen) -> None:
        if not screen.app.is_headless or screen is not screen.app.screen:
            draw(screen)
        else:
            screen._dirty_widgets.clear()  # the compositor has them by now
            screen.app._update_mouse_over(screen)

    def draw_now(app: App[Any]) -> None:
        if app._running and app._screen_stack and not app._batch_count:
            app.screen._compositor.update_widgets(app.screen._dirty_widgets)
            draw(app.screen)

    async def drawing_pause(pilot: Pilot[Any], delay: float | None = None) -> None:
        await pause(pilot, delay)
        await pilot._wait_for_screen()  # all that its layouts have led to
        draw_now(pilot.app)

    async def drawing_end(app: App[Any]) -> None:
        if app.is_headless and app._exception is None:
            draw_now(app)
        await end(app)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Screen, "_compositor_refresh", later)
        patch.setattr(Pilot, "pause", drawing_pause)
        patch.setattr(App, "_shutdown", drawing_end)
        yield

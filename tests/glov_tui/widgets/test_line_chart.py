from collections.abc import Sequence
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from glov_tui.widgets.line_chart import LineChart, Mark, Series

X = (0.0, 50.0)


def series(count: int, extra: float = 0.0) -> list[Series]:
    best = [(float(x), 0.5 + 0.001 * x) for x in range(count)]
    return [
        Series("best", best, kind="steps", short="best"),
        Series("mean", [(x, y - 0.01 + extra) for x, y in best], "secondary"),
        Series("seed", [(0.0, 0.5)], "muted", "hline", short="seed"),
    ]


class Charts(App[None]):
    CSS = "LineChart { width: 60; height: 14; }"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.selected: list[float] = []

    def compose(self) -> ComposeResult:
        yield LineChart(y_limits=(0, 1), y_least=0.2, x_name="step", **self.options)

    def on_line_chart_point_selected(self, message: LineChart.PointSelected) -> None:
        assert message.control is self.query_one(LineChart)
        self.selected.append(message.x)


class Watch:
    """Records what a chart asks Textual to repaint."""

    def __init__(self, chart: LineChart, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repaints = self.layouts = 0
        refresh = chart.refresh

        def spy(*, layout: bool = False, **options: Any) -> LineChart:
            self.repaints += 1
            self.layouts += layout
            return refresh(layout=layout, **options)

        monkeypatch.setattr(chart, "refresh", spy)


def shown(chart: LineChart) -> list[str]:
    return [chart.render_line(y).text for y in range(chart.size.height)]


async def settled(pilot: Pilot[None]) -> LineChart:
    await pilot.pause()
    return pilot.app.query_one(LineChart)


async def test_a_new_point_is_one_repaint_and_asks_for_no_layout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Charts().run_test() as pilot:
        chart = await settled(pilot)
        chart.set_data(series(20), [], X)
        await pilot.pause()
        before, watch = shown(chart), Watch(chart, monkeypatch)
        chart.set_data(series(21), [], X)
        assert (watch.repaints, watch.layouts) == (1, 0)
        assert shown(chart) != before


async def test_the_same_data_repaint_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Charts().run_test() as pilot:
        chart = await settled(pilot)
        chart.set_data(series(20), [Mark(4, "e")], X)
        watch = Watch(chart, monkeypatch)
        chart.set_data(series(20), [Mark(4, "e")], X)
        chart.set_data(series(20), [Mark(4.01, "e")], X)
        assert not watch.repaints


async def test_what_the_caller_does_with_its_lists_changes_nothing() -> None:
    async with Charts().run_test() as pilot:
        chart = await settled(pilot)
        points = [(0.0, 0.5), (1.0, 0.6)]
        chart.set_data([Series("best", points)], [], X)
        before = shown(chart)
        points.append((2.0, 0.7))
        assert shown(chart) == before
        chart.set_data([Series("best", points)], [], X)
        assert shown(chart) != before


async def test_data_given_before_the_first_paint_are_shown() -> None:
    class Early(Charts):
        def on_mount(self) -> None:
            self.query_one(LineChart).set_data(series(20), [], X)

    async with Early().run_test() as pilot:
        chart = await settled(pilot)
        assert "best" in shown(chart)[0]


async def test_resize_draws_again() -> None:
    class Filling(Charts):
        CSS = "LineChart { width: 100%; height: 100%; }"

    async with Filling().run_test(size=(80, 24)) as pilot:
        chart = await settled(pilot)
        chart.set_data(series(20), [], X)
        for size in ((40, 12), (20, 3), (1, 1), (100, 30)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            lines = shown(chart)
            assert (len(lines[0]), len(lines)) == size
        assert "best" in lines[0]


async def test_ascii_mode_has_only_ascii_characters() -> None:
    async with Charts(ascii=True, empty="noch nichts für Sie").run_test() as pilot:
        chart = await settled(pilot)
        assert "f?r" in "".join(shown(chart))
        chart.set_data([*series(20), Series("图", [(1, 0.5)], kind="points")], [Mark(3)], X)
        assert "".join(shown(chart)).isascii()
        chart.ascii = False
        await pilot.pause()
        assert not "".join(shown(chart)).isascii()


async def test_keys_move_a_cursor_and_choose_its_point() -> None:
    async with Charts().run_test() as pilot:
        chart = await settled(pilot)
        chart.focus()
        await pilot.press("left", "enter", "home")
        assert chart.cursor is None
        chart.set_data(series(20), [], X)
        await pilot.press("left", "left", "enter")
        assert shown(chart)[0].startswith("step 18")
        await pilot.press("home", "left", "enter", "end", "right", "enter")
        assert pilot.app.selected == [18, 0, 19]  # type: ignore[attr-defined]
        await pilot.press("escape")
        assert chart.cursor is None
        assert "step 1" not in shown(chart)[0]


async def test_escape_is_left_to_others_without_a_cursor() -> None:
    class Escapable(Charts):
        BINDINGS = [("escape", "note", "")]  # noqa: RUF012
        escapes = 0

        def action_note(self) -> None:
            self.escapes += 1

    app = Escapable()
    async with app.run_test() as pilot:
        chart = await settled(pilot)
        chart.set_data(series(20), [], X)
        chart.focus()
        await pilot.press("escape", "left", "escape")
        assert app.escapes == 1
        await pilot.press("escape")
        assert app.escapes == 2


async def test_a_click_chooses_the_nearest_point() -> None:
    app = Charts()
    async with app.run_test() as pilot:
        chart = await settled(pilot)
        await pilot.click(LineChart, offset=(30, 5))
        assert app.selected == []
        chart.set_data(series(20), [], X)
        await pilot.click(LineChart, offset=(55, 5))
        await pilot.click(LineChart, offset=(4, 5))
        assert app.selected == [19, 0]
        assert chart.cursor == 0


async def test_a_cursor_on_a_point_that_went_is_removed() -> None:
    async with Charts().run_test() as pilot:
        chart = await settled(pilot)
        chart.set_data(series(20), [], X)
        chart.cursor = 19
        chart.set_data(series(10), [], X)
        assert chart.cursor is None


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark"])
async def test_colours_come_from_the_theme(theme: str) -> None:
    app = Charts()
    app.theme = theme
    async with app.run_test() as pilot:
        chart = await settled(pilot)
        chart.set_data([*series(20), Series("x", [(1, 0.5)], "no such colour")], [], X)
        styles: Sequence[object] = [
            segment.style.color
            for y in range(14)
            for segment in chart.render_line(y)
            if segment.style is not None
        ]
        assert len(set(styles)) >= 3

from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.events import MouseScrollUp

from glov_tui.widgets.hbars import Bar, HBars


def bars(count: int = 32, marked: int = 20, **changes: float) -> list[Bar]:
    return [
        Bar(f"L{index}", changes.get(f"L{index}", float(index)), f"{index} %", index == marked)
        for index in range(count)
    ]


class BarsApp(App[None]):
    CSS = "HBars { width: 40; height: 10; }"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.selected: list[int] = []

    def compose(self) -> ComposeResult:
        yield HBars(**self.options)

    def on_hbars_bar_selected(self, message: HBars.BarSelected) -> None:
        assert message.control is self.query_one(HBars)
        self.selected.append(message.index)


def shown(widget: HBars) -> list[str]:
    return [widget.render_line(y).text for y in range(widget.size.height)]


def labels(widget: HBars) -> list[int]:
    return [int(line[2:6].replace("L", "")) for line in shown(widget)]


async def test_what_looks_the_same_is_not_repainted_and_no_layout_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with BarsApp().run_test() as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars(bars(8, 3))
        await pilot.pause()
        repaints = 0
        refresh = widget.refresh

        def spy(*, layout: bool = False, **options: Any) -> HBars:
            nonlocal repaints
            assert not layout
            repaints += 1
            return refresh(**options)

        monkeypatch.setattr(widget, "refresh", spy)
        widget.set_bars(bars(8, 3))
        assert not repaints
        widget.set_bars(bars(8, 3, L2=2.5, L6=6.2))
        assert repaints == 1


async def test_the_marked_row_is_kept_in_view() -> None:
    async with BarsApp().run_test() as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars(bars(32, 20))
        await pilot.pause()
        assert 20 in labels(widget)
        widget.set_bars(bars(32, 4))
        assert labels(widget) == list(range(4, 14))
        widget.set_bars(bars(32, 31, L3=9.0))
        assert labels(widget) == list(range(22, 32))
        widget.set_bars(bars(12, 11))
        assert labels(widget) == list(range(2, 12))
        widget.set_bars(bars(4, 1))
        assert [line[2:4] for line in shown(widget)[:5]] == ["L0", "L1", "L2", "L3", "  "]


async def test_a_scrolled_list_stays_where_it_is_while_values_change() -> None:
    async with BarsApp().run_test() as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars(bars(32, 20))
        await pilot.pause()
        before = labels(widget)[0]
        widget.post_message(MouseScrollUp(widget, 5, 5, 0, -1, 0, False, False, False))
        await pilot.pause()
        top = labels(widget)[0]
        assert top == before - 3
        widget.set_bars(bars(32, 20, L12=1.0))
        assert labels(widget)[0] == top


async def test_keys_move_and_choose() -> None:
    app = BarsApp()
    async with app.run_test() as pilot:
        widget = app.query_one(HBars)
        await pilot.press("tab", "down", "enter", "home", "end", "pageup", "enter")
        assert app.selected == []
        app.screen.set_focus(None)
        widget.set_bars(bars(32, 20))
        await pilot.pause()
        widget.focus()
        await pilot.pause()
        assert any(line.startswith("›◆") for line in shown(widget))
        await pilot.press("enter", "down", "enter", "home", "up", "enter", "end", "down", "enter")
        await pilot.press("pageup", "enter", "pagedown", "enter")
        assert app.selected == [20, 21, 0, 31, 22, 31]
        assert any(line.startswith("›") for line in shown(widget))
        app.screen.set_focus(None)
        await pilot.pause()
        assert not any("›" in line for line in shown(widget))


async def test_a_click_chooses_the_row_under_it() -> None:
    app = BarsApp()
    async with app.run_test() as pilot:
        widget = app.query_one(HBars)
        widget.set_bars(bars(32, 20))
        await pilot.pause()
        expected = labels(widget)[3]
        await pilot.click(HBars, offset=(10, 3))
        assert app.selected == [expected]
        widget.set_bars(bars(2, 1))
        await pilot.click(HBars, offset=(10, 5))
        assert app.selected == [expected]
        assert widget.cursor == 1


async def test_ascii_mode_has_only_ascii_characters() -> None:
    async with BarsApp(ascii=True).run_test() as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars([*bars(32, 20), Bar("ü", float("nan"), "图")])
        await pilot.pause()
        widget.focus()
        await pilot.press("end")
        assert "".join(shown(widget)).isascii()
        widget.ascii = False
        await pilot.pause()
        assert not "".join(shown(widget)).isascii()


async def test_the_scale_is_round_and_stays() -> None:
    async with BarsApp().run_test() as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars([Bar("a", 9.3)])
        assert widget.scale == 10
        widget.set_bars([Bar("a", 6.0)])
        assert widget.scale == 10
        widget.set_bars([Bar("a", 6.0, ghost=11.0)])
        assert widget.scale == 12
        await pilot.pause()
    async with BarsApp(scale=5.0).run_test() as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars([Bar("a", 9.3)])
        assert widget.scale == 5


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (60, 20), (200, 50)])
async def test_resize_draws_again_with_the_marked_row(size: tuple[int, int]) -> None:
    class Filling(BarsApp):
        CSS = "HBars { width: 100%; height: 100%; }"

    async with Filling().run_test(size=(80, 24)) as pilot:
        widget = pilot.app.query_one(HBars)
        widget.set_bars(bars(80, 60))
        await pilot.resize_terminal(*size)
        await pilot.pause()
        lines = shown(widget)
        assert (len(lines[0]), len(lines)) == size
        if size[0] >= 5:
            assert any(line[1] == "◆" for line in lines)

"""The picture of the house is of the house that stands."""

from __future__ import annotations

from xml.etree import ElementTree

from docs import house


def test_the_picture_is_up_to_date() -> None:
    picture = house.draw(house.floors(), house.arrows())
    assert house.PICTURE.read_text(encoding="utf-8") == picture, "run: python -m docs.house"
    drawn = list(ElementTree.fromstring(picture).iter())
    boxes = [one for one in drawn if one.tag.endswith("rect")]
    assert len(boxes) == 1 + sum(map(len, house.floors()))
    lines = [one for one in drawn if one.get("marker-end")]
    assert len(lines) == len(house.arrows())


def test_all_arrows_go_down() -> None:
    floor = {room: number for number, rooms in enumerate(house.floors()) for room in rooms}
    assert all(floor[a] < floor[b] for a, b in house.arrows())


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    leads = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "e": {"a", "d"}}
    assert house.reduced(leads) == [("a", "b"), ("b", "c"), ("c", "d"), ("e", "a")]

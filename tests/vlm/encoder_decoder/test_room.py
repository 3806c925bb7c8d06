"""What stays in a room that is too small for everything."""

from __future__ import annotations

import pytest

from engine.vlm.encoder_decoder.room import Room


def scan(room: Room[str], names: str) -> str:
    """Use each name in turn, putting what is not there; gives the names that were."""
    found = ""
    for name in names:
        if room.get(name) is None:
            room.put(name, name, 10)
        else:
            found += name
    return found


@pytest.mark.parametrize("names", ["abcdef", "fedcba", "acebdf"])
def test_scans_of_more_than_fits_find_a_share_of_it_every_time(names: str) -> None:
    room: Room[str] = Room(30)
    assert scan(room, "abcdef") == ""
    for _ in range(10):
        assert sorted(scan(room, names)) == ["a", "b", "c"]
    assert room.bytes == 30 and len(room) == 3


def test_what_is_used_more_displaces_what_is_not() -> None:
    room: Room[str] = Room(30)
    scan(room, "xyz")
    for _ in range(3):
        scan(room, "ab")
    assert "a" in room and "b" in room and len(room) == 3
    assert scan(room, "ab") == "ab"


def test_a_value_without_room_is_not_held_and_displaces_nothing_in_vain() -> None:
    room: Room[str] = Room(30)
    scan(room, "ab")
    for _ in range(5):
        room.get("large")
    assert not room.fits("large", 31) and not room.put("large", "large", 31)
    assert scan(room, "ab") == "ab"
    assert room.put("large", "large", 30)  # asked for more often than both
    assert room.get("a") is None


def test_a_room_that_shrinks_lets_go_of_what_is_used_least() -> None:
    room: Room[str] = Room(30)
    scan(room, "abc")
    scan(room, "bc")
    room.shrink(20)
    assert "a" not in room and room.bytes == 20
    room.shrink(0)
    assert len(room) == room.bytes == 0 and room.get("b") is None


def test_nothing_is_counted_twice() -> None:
    room: Room[str] = Room(30)
    assert room.put("a", "a", 10) and room.put("a", "a", 10)
    assert room.bytes == 10

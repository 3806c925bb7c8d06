"""Who holds the controls, against a plain model of the rules."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.remote.controls import Controls

PICK = st.integers(0, 9)


class Handing(RuleBasedStateMachine):
    """``watching``, ``holder`` and ``taken_at`` are the model's.

    A screen is picked by its place, so that each rule finds one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.controls = Controls()
        self.now = 100.0
        self.numbers = 0
        self.watching: list[int] = []
        self.only_watching: set[int] = set()
        self.holder: int | None = None
        self.taken_at: float | None = None

    def pick(self, place: int) -> int:
        return self.watching[place % len(self.watching)]

    @rule()
    def join(self) -> None:
        self.numbers += 1
        self.controls = self.controls.joined(self.numbers, f"screen {self.numbers}")
        self.watching.append(self.numbers)
        if self.holder is None:
            self.holder = self.numbers

    @rule()
    def join_to_watch(self) -> None:
        self.numbers += 1
        name = f"watcher {self.numbers}"
        self.controls = self.controls.joined(self.numbers, name, "watcher")
        self.watching.append(self.numbers)
        self.only_watching.add(self.numbers)

    @property
    def driving(self) -> list[int]:
        return [number for number in self.watching if number not in self.only_watching]

    @precondition(lambda self: self.watching)
    @rule(place=PICK)
    def leave(self, place: int) -> None:
        number = self.pick(place)
        self.controls = self.controls.left(number)
        self.watching.remove(number)
        if self.holder == number:
            self.holder = self.driving[0] if self.driving else None
            self.taken_at = None

    @rule()
    def leave_without_having_joined(self) -> None:
        assert self.controls.left(self.numbers + 1) is self.controls

    @precondition(lambda self: self.watching)
    @rule(place=PICK)
    def take(self, place: int) -> None:
        number = self.pick(place)
        self.now += 1
        self.controls = self.controls.taken(number, self.now)
        if number != self.holder and number not in self.only_watching:
            self.holder, self.taken_at = number, self.now

    @rule()
    def take_without_having_joined(self) -> None:
        assert self.controls.taken(self.numbers + 1, self.now) is self.controls

    @invariant()
    def is_as_the_model_says(self) -> None:
        assert [screen.number for screen in self.controls.screens] == self.watching
        assert (self.controls.holder, self.controls.taken_at) == (self.holder, self.taken_at)

    @invariant()
    def somebody_holds_them_if_somebody_is_there_who_can(self) -> None:
        assert (self.controls.holder is None) == (not self.driving)
        assert {self.controls.holder} - {None} <= set(self.driving)
        assert (self.controls.held_by == "screen") == bool(self.driving)


Handing.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestHanding = Handing.TestCase


def test_names_of_those_who_are_there() -> None:
    controls = Controls().joined(1, "one").joined(2, "two")
    assert controls.name(2) == "two"
    assert controls.name(3) == controls.name(None) == "nobody"

"""Who holds the controls, against a plain model of the rules."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.remote.controls import HAND_OVER_SECONDS, Controls

PICK = st.integers(0, 9)


class Handing(RuleBasedStateMachine):
    """``watching`` and ``queue`` (of number and time at which it came to be first) are the model's.

    A screen is picked by its place, so that each rule finds one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.controls = Controls()
        self.now = 100.0
        self.numbers = 0
        self.watching: list[int] = []
        self.holder: int | None = None
        self.queue: list[int] = []
        self.first_since = 0.0

    def pick(self, place: int) -> int:
        return self.watching[place % len(self.watching)]

    def next_holder(self) -> None:
        if self.queue:
            self.holder = self.queue.pop(0)
            self.first_since = self.now
        else:
            self.holder = self.watching[0] if self.watching else None

    @rule()
    def join(self) -> None:
        self.numbers += 1
        self.controls = self.controls.joined(self.numbers, f"screen {self.numbers}")
        self.watching.append(self.numbers)
        if self.holder is None:
            self.holder = self.numbers

    @precondition(lambda self: self.watching)
    @rule(place=PICK)
    def leave(self, place: int) -> None:
        number = self.pick(place)
        self.controls = self.controls.left(number, self.now)
        self.watching.remove(number)
        if self.queue[:1] == [number]:
            self.first_since = self.now
        self.queue = [n for n in self.queue if n != number]
        if self.holder == number:
            self.next_holder()

    @rule()
    def leave_without_having_joined(self) -> None:
        assert self.controls.left(self.numbers + 1, self.now) is self.controls

    @precondition(lambda self: self.watching)
    @rule(place=PICK)
    def ask(self, place: int) -> None:
        number = self.pick(place)
        self.controls = self.controls.asked(number, self.now)
        if number != self.holder and number not in self.queue:
            if not self.queue:
                self.first_since = self.now
            self.queue.append(number)

    @precondition(lambda self: self.watching)
    @rule(place=PICK)
    def give(self, place: int) -> None:
        number = self.pick(place)
        self.controls = self.controls.given(number, self.now)
        if number == self.holder and self.queue:
            self.next_holder()

    @precondition(lambda self: self.watching)
    @rule(place=PICK)
    def keep(self, place: int) -> None:
        number = self.pick(place)
        self.controls = self.controls.kept(number)
        if number == self.holder:
            self.queue = []

    @rule(seconds=st.sampled_from([0.0, 1.0, HAND_OVER_SECONDS / 2, HAND_OVER_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.controls = self.controls.at(self.now)
        if self.queue and self.now - self.first_since >= HAND_OVER_SECONDS:
            self.next_holder()

    @invariant()
    def is_as_the_model_says(self) -> None:
        assert [screen.number for screen in self.controls.screens] == self.watching
        assert self.controls.holder == self.holder
        assert list(self.controls.asking) == self.queue

    @invariant()
    def somebody_holds_them_if_somebody_is_there(self) -> None:
        assert (self.controls.holder is None) == (not self.controls.screens)
        present = {screen.number for screen in self.controls.screens}
        assert {self.controls.holder} - {None} <= present
        asking = self.controls.asking
        assert set(asking) <= present - {self.controls.holder}
        assert len(set(asking)) == len(asking)

    @invariant()
    def nothing_changes_before_its_time(self) -> None:
        assert self.controls.at(self.now) is self.controls


Handing.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestHanding = Handing.TestCase


def test_who_does_not_answer_loses_them_to_who_asked_first() -> None:
    controls = Controls().joined(1, "one").joined(2, "two").joined(3, "three")
    controls = controls.asked(3, now=10.0).asked(2, now=20.0)
    assert controls.at(10.0 + HAND_OVER_SECONDS - 0.1).holder == 1
    late = controls.at(10.0 + HAND_OVER_SECONDS)
    assert late.holder == 3 and late.asking == (2,)
    # The next one waits for as long as the first has had to.
    assert late.at(20.0 + HAND_OVER_SECONDS).holder == 3
    assert late.at(10.0 + 2 * HAND_OVER_SECONDS).holder == 2


def test_a_sign_of_life_of_who_holds_them_begins_the_wait_anew() -> None:
    controls = Controls().joined(1, "one").joined(2, "two")
    assert controls.answered(1, now=5.0) is controls
    controls = controls.asked(2, now=10.0)
    assert controls.answered(2, now=25.0) is controls
    controls = controls.answered(1, now=25.0)
    assert controls.at(10.0 + HAND_OVER_SECONDS).holder == 1
    assert controls.at(25.0 + HAND_OVER_SECONDS).holder == 2


def test_names_of_those_who_are_there() -> None:
    controls = Controls().joined(1, "one").joined(2, "two")
    assert controls.name(2) == "two"
    assert controls.name(3) == controls.name(None) == "nobody"

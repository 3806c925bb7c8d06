"""The byte budget, on a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glov_tui.terminal.governor import MAX_DEBT_SECONDS, MAX_QUEUED_FRAMES, Governor


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


rates = st.floats(0.5, 64)
bursts = st.floats(0.5, 64)
gaps = st.floats(0, 5)


@given(rates, bursts, st.data())
def test_background_frames_stay_within_the_budget_over_any_window(
    rate: float, burst: float, data: st.DataObject
) -> None:
    clock = Clock()
    governor = Governor(rate, burst, clock)
    largest = int(rate * 1024)
    ticks = data.draw(st.lists(st.tuples(gaps, st.integers(0, largest)), max_size=40))
    written: list[tuple[float, int]] = []
    for gap, size in ticks:
        clock.now += gap
        if governor.may_repaint(0):
            governor.spend(size)
            written.append((clock.now, size))
    assert governor.total == sum(size for _, size in written)
    for i, (begin, _) in enumerate(written):
        total = 0
        for end, size in written[i:]:
            total += size
            assert total <= (end - begin) * rate * 1024 + burst * 1024 + largest + 1


@given(rates, bursts, st.integers(0, 10_000_000))
def test_no_repaint_silences_the_background_for_longer_than_the_debt(
    rate: float, burst: float, size: int
) -> None:
    clock = Clock()
    governor = Governor(rate, burst, clock)
    governor.spend(size)
    clock.now += MAX_DEBT_SECONDS * 1.001
    assert governor.may_repaint(0)


@given(rates, bursts, st.lists(st.tuples(gaps, st.integers(0, 100_000)), max_size=20))
def test_the_balance_never_exceeds_the_burst(
    rate: float, burst: float, spends: list[tuple[float, int]]
) -> None:
    clock = Clock()
    governor = Governor(rate, burst, clock)
    for gap, size in spends:
        governor.spend(size)
        clock.now += gap
        assert governor.balance <= burst * 1024


def test_a_spent_budget_comes_back_with_time() -> None:
    clock = Clock()
    governor = Governor(kib_per_second=2, burst_kib=1, clock=clock)
    assert governor.may_repaint(0)
    governor.spend(2048)
    assert not governor.may_repaint(0)
    clock.now += 0.4
    assert not governor.may_repaint(0)
    clock.now += 0.2
    assert governor.may_repaint(0)


def test_frames_that_wait_hold_the_background_whatever_the_balance() -> None:
    governor = Governor(12, 8, Clock())
    assert governor.may_repaint(MAX_QUEUED_FRAMES - 1)
    assert not governor.may_repaint(MAX_QUEUED_FRAMES)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_a_budget_of_nothing_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Governor(rate, burst, Clock())


def test_a_rate_for_slow_lines_is_known_as_one() -> None:
    assert Governor(5.0).is_slow and not Governor(12.0).is_slow

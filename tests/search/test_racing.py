"""The rule by which a race drops templates: what it never does, and how often it errs."""

from __future__ import annotations

import itertools
import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.dataset import LabelledImage
from engine.search.racing import (
    ERROR,
    PARTS,
    is_surely_worse,
    race_order,
    race_sizes,
    worse_probability,
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[bool], list[bool], int]:
    """What a template and its rival have right, in the order of a race, and how many were seen."""
    size = draw(st.integers(1, 40))
    some = st.lists(st.booleans(), min_size=size, max_size=size)
    return draw(some), draw(some), draw(st.integers(1, size))


def images(*sizes: int) -> list[LabelledImage]:
    return [
        LabelledImage(f"{label}/{number}.png", label)
        for label, size in enumerate(sizes)
        for number in range(size)
    ]


# -- order and parts ---------------------------------------------------------------------------


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 3))
def test_the_order_has_each_image_once_and_takes_classes_in_turn(sizes, seed) -> None:
    items = images(*sizes)
    order = race_order(items, seed)
    assert sorted(order) == list(range(len(items)))
    for n in race_sizes(len(items)):
        seen = [items[i].label for i in order[:n]]
        counts = {label: seen.count(label) for label in range(len(sizes))}
        open_ = [label for label in counts if counts[label] < sizes[label]]
        most = max(counts.values())
        assert all(counts[label] >= most - 1 for label in open_)


def test_the_order_is_of_the_seed_and_the_paths_alone() -> None:
    items = images(5, 5, 5)
    order = race_order(items, 1)
    assert order == race_order(items, 1) != race_order(items, 2)
    back = items[::-1]
    assert [back[i] for i in race_order(back, 1)] == [items[i] for i in order]


@given(st.integers(1, 3000))
def test_parts_are_nested_and_the_last_is_all(n) -> None:
    sizes = race_sizes(n)
    assert list(sizes) == sorted(set(sizes)) and sizes[-1] == n and sizes[0] >= 1
    assert len(sizes) == min(n, PARTS)


# -- the rule ----------------------------------------------------------------------------------


@given(pairs())
def test_no_worse_on_what_was_seen_is_never_dropped(drawn) -> None:
    right, rival, n = drawn
    wrong = rival[:n].count(False)
    gained = sum(a and not b for a, b in zip(right[:n], rival, strict=False))
    lost = sum(b and not a for a, b in zip(right[:n], rival, strict=False))
    per_gain = rival.count(False) / wrong if wrong else 0
    per_loss = rival.count(True) / (n - wrong) if n - wrong else 0
    if gained * per_gain >= lost * per_loss:
        assert worse_probability(right[:n], rival) == 1
    assert not is_surely_worse(rival[:n], rival, 1.0 - 1e-9)  # one is not worse than oneself


@given(pairs())
def test_what_can_still_reach_its_rival_has_a_probability_and_what_cannot_has_none(drawn) -> None:
    right, rival, n = drawn
    found = worse_probability(right[:n], rival)
    assert 0 <= found <= 1
    reachable = sum(right[:n]) + len(rival) - n >= sum(rival)
    assert (found > 0) == reachable
    if n == len(rival):
        assert (found == 0) == (sum(right) < sum(rival))


@given(pairs(), st.data())
def test_one_more_hit_never_makes_it_worse(drawn, data) -> None:
    right, rival, n = drawn
    misses = [i for i in range(n) if not right[i]]
    if misses:
        better = list(right)
        better[data.draw(st.sampled_from(misses))] = True
        assert worse_probability(better[:n], rival) >= worse_probability(right[:n], rival) - 1e-12


@given(pairs(), st.floats(0.001, 0.5))
def test_who_is_dropped_at_an_error_is_dropped_at_a_larger_one(drawn, error) -> None:
    right, rival, n = drawn
    if is_surely_worse(right[:n], rival, error):
        assert is_surely_worse(right[:n], rival, 2 * error)


@given(pairs())
def test_the_probability_is_the_one_counted_by_hand(drawn) -> None:
    """Over all draws of the part, for the most likely number of gains and losses."""
    right, rival, n = drawn
    wrong, seen_wrong = rival.count(False), rival[:n].count(False)
    good, seen_good = len(rival) - wrong, n - seen_wrong
    gained = sum(a and not b for a, b in zip(right[:n], rival, strict=False))
    lost = sum(b and not a for a, b in zip(right[:n], rival, strict=False))

    def estimate(gains: int, losses: int) -> float:
        return (gains * wrong / seen_wrong if seen_wrong else 0) - (
            losses * good / seen_good if seen_good else 0
        )

    if estimate(gained, lost) >= 0:
        return
    highest = 0.0
    for equal in range(len(rival) + 1):
        possible = gained <= equal <= gained + wrong - seen_wrong
        if not (possible and lost <= equal <= lost + good - seen_good):
            continue
        ways = sum(
            comb(equal, g)
            * comb(wrong - equal, seen_wrong - g)
            * comb(equal, v)
            * comb(good - equal, seen_good - v)
            for g, v in itertools.product(range(seen_wrong + 1), range(seen_good + 1))
            if estimate(g, v) <= estimate(gained, lost) + 1e-9
        )
        highest = max(highest, ways / comb(wrong, seen_wrong) / comb(good, seen_good))
    assert worse_probability(right[:n], rival) == pytest.approx(highest, abs=1e-9)


@pytest.mark.parametrize(("differing", "both"), [(4, 60), (20, 40), (40, 0)])
def test_as_good_a_template_is_dropped_in_at_most_one_race_of_twenty(differing, both) -> None:
    """In the stratified order of a race, with three looks: what the error is spent on."""
    items = images(*[8] * 10)
    numbers = random.Random(differing)
    dropped, races = 0, 400
    sizes = race_sizes(len(items))[:-1]
    for seed in range(races):
        places = numbers.sample(range(len(items)), 2 * differing)
        gains, losses = set(places[:differing]), set(places[differing:])
        rest = [i for i in range(len(items)) if i not in gains | losses]
        shared = set(numbers.sample(rest, min(both, len(rest))))
        order = race_order(items, seed)
        right = [i in gains | shared for i in order]
        rival = [i in losses | shared for i in order]
        dropped += any(is_surely_worse(right[:n], rival, ERROR / len(sizes)) for n in sizes)
    assert dropped / races <= ERROR

"""Properties of the few-shot draw and of the train/test split."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import DataError
from engine.common.names import some_names
from engine.data.dataset import Dataset, LabelledImage
from engine.data.sampling import labelled_classes, sample_few_shot, split_off_test


def dataset(counts: dict[str, int], order_seed: int | None = None) -> Dataset:
    items = [
        LabelledImage(f"{name}/{i}.png", label)
        for label, (name, count) in enumerate(counts.items())
        for i in range(count)
    ]
    if order_seed is not None:
        random.Random(order_seed).shuffle(items)
    return Dataset("d", "", tuple(counts), Path("/data"), tuple(items), ())


def every(items):
    return [True] * len(items)


COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), min_size=2)
SEEDS = st.integers(0, 2**63 - 1)


@given(COUNTS, st.integers(1, 5), SEEDS, st.integers(0, 99))
def test_shots_per_class_whatever_the_order_on_disk(counts, shots, seed, order):
    sample = sample_few_shot(dataset(counts), shots=shots, seed=seed, usable=every)
    shuffled = sample_few_shot(dataset(counts, order), shots=shots, seed=seed, usable=every)
    assert sample == shuffled
    labels = [item.label for item in sample.items]
    assert labels == sorted(labels)
    assert [labels.count(i) for i in range(len(counts))] == [min(shots, n) for n in counts.values()]
    assert len(set(sample.items)) == len(sample.items)
    assert bool(sample.problems) == any(n < shots for n in counts.values())


@given(COUNTS, st.integers(1, 5), SEEDS)
def test_other_classes_do_not_disturb_a_draw(counts, shots, seed):
    name = next(iter(counts))
    alone = sample_few_shot(
        dataset({name: counts[name], "z": 1}), shots=shots, seed=seed, usable=every
    )
    among = sample_few_shot(dataset(counts), shots=shots, seed=seed, usable=every)
    assert [i.path for i in alone.items if i.label == 0] == [
        i.path for i in among.items if i.label == 0
    ]


@given(COUNTS, st.integers(1, 4), SEEDS, st.data())
def test_an_unreadable_image_is_replaced_by_the_next_of_its_class(counts, shots, seed, data):
    full = dataset(counts)
    broken = data.draw(st.sets(st.sampled_from(full.train)))
    asked: list[LabelledImage] = []

    def usable(items):
        asked.extend(items)
        return [item not in broken for item in items]

    left = {
        name: sum(i.label == label and i not in broken for i in full.train)
        for label, name in enumerate(counts)
    }
    if not all(left.values()):
        with pytest.raises(DataError) as error:
            sample_few_shot(full, shots=shots, seed=seed, usable=usable)
        assert all((repr(name) in str(error.value)) == (not n) for name, n in left.items())
        return
    sample = sample_few_shot(full, shots=shots, seed=seed, usable=usable)
    whole = [item for item in full.train if item not in broken]
    without = Dataset("d", "", full.class_names, full.root, tuple(whole), ())
    assert sample.items == sample_few_shot(without, shots=shots, seed=seed, usable=every).items
    assert len(set(asked)) == len(asked)  # nothing is opened twice


def test_the_draw_is_the_same_on_every_machine():
    sample = sample_few_shot(dataset({"cat": 50, "dog": 50}), shots=3, seed=7, usable=every)
    assert [item.path for item in sample.items] == [
        "cat/48.png",
        "cat/2.png",
        "cat/1.png",
        "dog/19.png",
        "dog/42.png",
        "dog/8.png",
    ]


def test_decomposed_file_names_draw_alike():
    composed = dataset({"caf\u00e9": 20, "tea": 20})
    decomposed = dataset({"cafe\u0301": 20, "tea": 20})
    numbers = [
        [
            item.path.split("/")[1]
            for item in sample_few_shot(some, shots=4, seed=1, usable=every).items
        ]
        for some in (composed, decomposed)
    ]
    assert numbers[0] == numbers[1]


@given(SEEDS, SEEDS)
def test_seeds_draw_differently(first, second):
    draws = [
        sample_few_shot(dataset({"a": 200, "b": 200}), shots=8, seed=seed, usable=every).items
        for seed in (first, second)
    ]
    assert (draws[0] == draws[1]) == (first == second)


@given(st.integers(2, 12), SEEDS, st.data())
def test_sub_shot_labels_only_some_classes(count, seed, data):
    counts = dict.fromkeys("abcdefghijkl"[:count], 3)
    labelled = data.draw(st.integers(2, count))
    sample = sample_few_shot(dataset(counts), shots=2, seed=seed, usable=every, classes=labelled)
    assert len({item.label for item in sample.items}) == labelled
    names = tuple(counts)
    chosen = labelled_classes(names, labelled, seed)
    # One class more keeps the classes that were chosen.
    if labelled < count:
        assert set(chosen) < set(labelled_classes(names, labelled + 1, seed))


def test_more_labelled_classes_than_classes():
    with pytest.raises(DataError, match=r"data\.labelled_classes is 3.*has 2 classes"):
        labelled_classes(["a", "b"], 3, 0)


def test_draws_are_even():
    seen = [0] * 10
    for seed in range(2000):
        sample = sample_few_shot(dataset({"a": 10, "b": 1}), shots=1, seed=seed, usable=every)
        seen[int(sample.items[0].path[2:-4])] += 1
    assert min(seen) > 140  # expected 200, standard deviation 13
    assert max(seen) < 260


@given(st.integers(0, 60), st.floats(0.01, 0.99), SEEDS)
def test_split_takes_a_share_and_leaves_both_sides_something(count, fraction, seed):
    items = [LabelledImage(f"a/{i}.png", 0) for i in range(count)]
    train, test = split_off_test(items, fraction, seed)
    assert sorted([*train, *test]) == sorted(items)
    if count >= 2:
        assert abs(len(test) - count * fraction) <= 1
        assert train
        assert test
    else:
        assert not test
    assert train == [item for item in items if item in set(train)]


def test_long_lists_of_names_are_cut():
    assert some_names(["a", "b"]) == "'a', 'b'"
    assert some_names(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e' and 2 more"

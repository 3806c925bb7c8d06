"""Class names as a trie of tokens."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.vlm.encoder_decoder.class_trie import ROOT, build_trie, without_longer

NAMES = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple),
    min_size=1,
    max_size=20,
    unique=True,
)


def spelled(trie, number: int) -> tuple[int, ...]:
    """A name, from the nodes that its tokens are drawn at."""
    node = trie.paths[number][-1][0]
    before = tuple(trie.tokens[n] for n in trie.ancestors(node)) if node != ROOT else ()
    return (*before, trie.paths[number][-1][1])


@given(NAMES)
def test_a_trie_spells_its_names_and_reads_each_beginning_once(names) -> None:
    trie = build_trie(names)
    assert [spelled(trie, number) for number in range(len(names))] == names
    assert all(parent < node for node, parent in enumerate(trie.parents))
    beginnings = {name[:i] for name in names for i in range(1, len(name))}
    assert len(trie.tokens) == len(beginnings)


@given(NAMES, st.integers(1, 6))
def test_chunks_have_every_node_with_all_before_it(names, most) -> None:
    trie = build_trie(names)
    seen = set()
    for chunk in trie.chunks(most):
        assert len(set(chunk)) == len(chunk)
        for node in chunk:
            assert set(trie.ancestors(node)) <= set(chunk)
        deepest = max(len(trie.ancestors(node)) for node in chunk)
        assert len(chunk) <= max(most, deepest)
        seen |= set(chunk)
    assert seen == set(range(len(trie.tokens)))


def test_names_without_tokens_or_with_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="class 1 has no token"):
        build_trie([(1,), ()])
    with pytest.raises(ValueError, match="classes 0 and 2 have the same tokens"):
        build_trie([(1, 2), (3,), (1, 2)])


def test_a_name_that_another_goes_on_from_has_only_its_own_share() -> None:
    trie = build_trie([(1,), (1, 2), (1, 2, 3), (1, 4), (5,)])
    assert trie.longer == ((1, 3), (2,), (), (), ())
    begun = torch.tensor([0.5, 0.3, 0.1, 0.1, 0.2]).log()
    found = without_longer(begun, trie).exp().tolist()
    assert found == pytest.approx([0.1, 0.2, 0.1, 0.1, 0.2], abs=1e-6)


@given(NAMES, st.integers(0, 99))
def test_shares_add_up_to_what_begins_with_any_name(names, seed) -> None:
    trie = build_trie(names)
    generator = torch.Generator().manual_seed(seed)
    chances: dict[tuple[int, ...], torch.Tensor] = {}

    def log_chance(name: tuple[int, ...]) -> float:
        total = 0.0
        for i, token in enumerate(name):
            if name[:i] not in chances:
                drawn = torch.randn(5, generator=generator, dtype=torch.float64)
                chances[name[:i]] = drawn.log_softmax(0)
            total += float(chances[name[:i]][token])
        return total

    begun = torch.tensor([log_chance(name) for name in names], dtype=torch.float64)
    shares = without_longer(begun, trie)
    assert (shares <= begun + 1e-12).all()
    top = [n for n in names if not any(n[: len(o)] == o for o in names if o != n)]
    whole = math.fsum(math.exp(log_chance(name)) for name in top)
    assert float(shares.exp().sum()) == pytest.approx(whole, abs=1e-4)

"""Scores against a plain loop, and the interval of an accuracy against known values."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.common.intervals import wilson_interval
from engine.vlm.dual_encoder.scoring import NotFiniteError, ensemble_features, score_features
from engine.vlm.interface import Score


def unit(count, width, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, width, generator=generator), dim=-1)


def by_hand(images, labels, texts, scale):
    """Slow, in Python floats: what a score is by its definition."""
    hits, log_likelihood = 0, 0.0
    class_hits = [0] * len(texts)
    for image, label in zip(images.double().tolist(), labels.tolist(), strict=True):
        logits = [
            scale * sum(a * b for a, b in zip(image, text, strict=True))
            for text in texts.double().tolist()
        ]
        best = max(range(len(logits)), key=lambda i: (logits[i], -i))
        top = max(logits)
        log_likelihood += logits[label] - top - math.log(sum(math.exp(v - top) for v in logits))
        class_hits[label] += best == label
        hits += best == label
    return hits, log_likelihood / len(images), tuple(class_hits)


@given(st.integers(1, 12), st.integers(2, 6), st.floats(1, 100), st.integers(0, 999))
def test_a_score_is_what_a_plain_loop_counts(count, classes, scale, seed):
    images, texts = unit(count, 5, seed), unit(classes, 5, seed + 1000)
    labels = torch.randint(0, classes, (count,), generator=torch.Generator().manual_seed(seed))
    score = score_features(images, labels, texts, scale=scale)
    hits, margin, class_hits = by_hand(images, labels, texts, scale)
    assert score.hits == hits
    assert score.n == count
    assert score.margin == pytest.approx(margin, abs=2e-5)
    assert score.class_hits == class_hits


def test_long_lists_of_images_are_scored_in_pieces(monkeypatch):
    images, texts = unit(100, 8, 0), unit(7, 8, 1)
    labels = torch.arange(100) % 7
    whole = score_features(images, labels, texts, scale=50.0)
    monkeypatch.setattr("engine.vlm.dual_encoder.scoring._LOGITS_AT_ONCE", 7 * 9)
    pieces = score_features(images, labels, texts, scale=50.0)
    assert (pieces.hits, pieces.class_hits) == (whole.hits, whole.class_hits)
    assert pieces.margin == pytest.approx(whole.margin, abs=1e-5)


def test_of_equal_texts_the_lowest_class_wins():
    text = unit(1, 8, 0)
    score = score_features(
        unit(6, 8, 1),
        torch.tensor([0, 1, 2, 0, 1, 2]),
        text.expand(3, 8),
        scale=100.0,
    )
    assert score.class_hits == (2, 0, 0)
    assert score.margin == pytest.approx(-math.log(3), abs=1e-5)


def test_classes_without_images_are_candidates_but_not_counted():
    texts = torch.eye(3)
    score = score_features(torch.eye(3)[[2, 0]], torch.tensor([0, 0]), texts, scale=10.0)
    assert (score.hits, score.n) == (1, 2)
    assert score.class_hits == (1, 0, 0)


def test_a_score_that_is_not_a_number_is_an_error():
    texts = torch.eye(2)
    texts[0, 0] = torch.nan
    with pytest.raises(NotFiniteError):
        score_features(torch.eye(2), torch.tensor([0, 1]), texts, scale=1.0)


@given(st.integers(1, 5), st.integers(0, 99))
def test_an_ensemble_is_the_normalised_mean(templates, seed):
    texts = unit(templates * 4, 6, seed).reshape(templates, 4, 6)
    got = ensemble_features(texts)
    assert got.norm(dim=-1) == pytest.approx([1.0] * 4, abs=1e-6)
    mean = texts.double().sum(0)
    assert torch.allclose(got.double(), mean / mean.norm(dim=-1, keepdim=True), atol=1e-6)
    if templates == 1:
        assert torch.equal(got, texts[0])


# Newcombe 1998 (81/263, 15/148, 0/20, 1/29); Brown, Cai and DasGupta's form of the interval.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_wilson_interval_of_published_examples(hits, n, low, high):
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.data())
def test_wilson_interval_holds_the_proportion(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1
    mirrored = wilson_interval(n - hits, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)
    wider = wilson_interval(hits, n, z=3.0)
    assert wider[0] <= low + 1e-12
    assert high <= wider[1] + 1e-12
    larger = wilson_interval(hits * 4, n * 4)
    assert larger[1] - larger[0] < high - low


@given(st.integers(1, 300), st.floats(0.02, 0.98))
def test_wilson_ends_solve_the_score_equation(n, share):
    hits = round(n * share)
    for end in wilson_interval(hits, n):
        if 0 < end < 1:
            z = (hits / n - end) / math.sqrt(end * (1 - end) / n)
            assert abs(z) == pytest.approx(1.959964, abs=1e-4)


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_interval_of_nonsense(hits, n):
    with pytest.raises(ValueError, match="hits"):
        wilson_interval(hits, n)


def test_accuracy():
    assert Score(hits=3, n=4, margin=-1.0, class_hits=()).accuracy == 0.75


def test_of_scores_that_share_no_image_the_mean_probability_is_that_of_all() -> None:
    one = Score(hits=1, n=1, margin=-0.1, class_hits=(1,), probability=0.9)
    three = Score(hits=1, n=3, margin=-1.0, class_hits=(1,), probability=0.5)
    assert one.plus(three).probability == pytest.approx(0.6)
    before = Score(hits=1, n=3, margin=-1.0, class_hits=(1,))  # of an earlier glov
    assert one.plus(before).probability is None

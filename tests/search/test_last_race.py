"""The race at the end of a run: what was dropped gets the images that the ensemble needs of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from engine.run.state import RunState
from engine.run.step_facts import template_scored
from engine.search.ensemble import true_class_probability
from engine.search.last_race import last_race
from engine.search.scoring import TrainScorer
from engine.search.strategy import Search
from engine.vlm.families import seed_template
from tests.support.generators import finished
from tests.support.steps import begin, run

A = "a photo of a <category>, "
BEST = A + (
    "bathed in blue light, neither too bright nor too dark, turned upside down, close to the "
    "camera, seen in a mirror."
)
COPY = A + (
    "with left and right swapped, in blue light, washed out by a flash, turned upside down, under "
    "a blue lamp."
)
HELPER = A + (
    "with a blue filter, correctly exposed, at some distance, with a blue filter, in the far "
    "distance."
)
"""Right on 51 of 80 images where ``BEST`` is on 65, and the one that helps it most."""
USELESS = "a drawing of a <category>."


def scored(search: Search, seen: dict[str, int]) -> tuple[RunState, TrainScorer]:
    """A run whose templates have been shown so many images, and what scores them."""
    train = TrainScorer(search.config, search.fitness)
    state = begin(search)
    for place, (text, n) in enumerate(seen.items()):
        (score,) = finished(search.fitness.score([text], split="train", rows=train.order[:n]))
        train.scores[text] = score
        origin = "seed" if text == seed_template(search.config) else "llm"
        state = state.apply(template_scored(text, score, origin, place, 1, 0))
    return state, train


def raced(state: RunState, train: TrainScorer) -> dict[str, int]:
    """Of how many images each template has a score in the end."""
    state, facts = finished(last_race(state, train))
    state = state.apply_all(facts)
    assert all(fact.n > 0 and len(fact.right) for fact in facts)
    return {t.text: t.n for t in state.templates}


@pytest.fixture
def make(demo_models) -> Callable[..., Search]:
    return lambda *more: demo_models("search.racing=true", "seed=3", "data.shots=5", *more)


def test_a_worse_template_that_helps_the_ensemble_is_shown_all_images(make) -> None:
    search = make()
    seed = seed_template(search.config)
    state, train = scored(search, {seed: 80, BEST: 80, COPY: 80, USELESS: 40, HELPER: 20})
    assert raced(state, train) == {seed: 80, BEST: 80, COPY: 80, USELESS: 40, HELPER: 80}


def test_an_ensemble_of_the_best_has_no_place_for_it(make) -> None:
    search = make("evaluation.select=top", "evaluation.ensemble=2")
    state, train = scored(search, {BEST: 80, COPY: 80, USELESS: 5, HELPER: 20})
    found = raced(state, train)
    assert found[USELESS] < found[HELPER] < 80


def test_who_is_as_good_as_the_last_of_the_best_is_shown_all_images(make) -> None:
    search = make("evaluation.select=top", "evaluation.ensemble=2")
    state, train = scored(search, {BEST: 80, USELESS: 80, HELPER: 80, COPY: 20})
    assert raced(state, train)[COPY] == 80


def test_what_a_template_made_of_images_is_found_again_where_it_was_let_go(make) -> None:
    search = make()
    seen = {BEST: 80, COPY: 80, USELESS: 10, HELPER: 20}
    state, train = scored(search, seen)
    expected = raced(state, train)
    state, train = scored(search, seen)
    search.fitness.kept._held.clear()
    search.fitness._each_image.clear()
    assert raced(state, train) == expected


def test_no_template_is_left_that_would_be_chosen_by_what_it_has_seen(demo_models) -> None:
    search = demo_models("search.racing=true", "seed=3", "data.shots=5")
    state, _ = run(search, 6)
    members = state.test("ensemble").templates
    train = TrainScorer(search.config, search.fitness)
    order = list(train.order)
    labels = np.array([image.label for image in search.fitness.images("train")])
    partial = [t for t in state.templates if state.is_partial(t)]
    assert partial and len(set(members)) > 1

    def worth(templates: Sequence[str], rows: list[int]) -> float:
        made = [search.fitness.predictions(text, "train").of_rows(rows) for text in templates]
        return true_class_probability(made, labels[rows])

    for t in partial:
        seen = order[: t.n]
        for place in range(len(members)):
            chosen, instead = members[: place + 1], (*members[:place], t.text)
            assert worth(instead, seen) <= worth(chosen, seen) + 1e-9

"""Scores on some of the images: the same of each image as the score on all, in both families."""

from __future__ import annotations

import numpy as np
import pytest

from engine.common.kept import Kept
from engine.config.toml_file import load_config
from engine.vlm.interface import Fitness, Score
from engine.vlm.loading import load_fitness
from tests.support.tiny_llava import save_tiny_llava

TEMPLATES = {
    "dual-encoder": ["a photo of a <category>.", "<category>"],
    "encoder-decoder": ["what is shown?", "name the object"],
}


@pytest.fixture(scope="module", params=list(TEMPLATES))
def scored(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitness, list[str]]:
    overrides = ["data.shots=1"]
    if request.param == "encoder-decoder":
        folder = save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")
        overrides += ["vlm.kind=encoder-decoder", f"vlm.model={folder}"]
    config = load_config("demo", overrides)
    fitness = load_fitness(config, lambda *_: None, lambda _: None, Kept())
    return fitness, TEMPLATES[request.param]


def score(fitness: Fitness, templates: list[str], rows: list[int] | None = None) -> list[Score]:
    work = fitness.score(templates, split="train", rows=rows)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_parts_add_up_to_the_whole_image_by_image(scored) -> None:
    fitness, templates = scored
    whole = score(fitness, templates)
    made = [fitness.predictions(text, "train") for text in templates]
    labels = np.array([image.label for image in fitness.images("train")])
    order = list(range(len(labels)))[::-1]
    parts = [order[:3], order[3:4], order[4:]]
    first, second, third = (score(fitness, templates, rows) for rows in parts)
    for at, one in enumerate(whole):
        assert one.right == ()
        together = first[at].plus(second[at]).plus(third[at])
        assert (together.hits, together.n, together.class_hits) == (
            one.hits,
            one.n,
            one.class_hits,
        )
        assert together.margin == pytest.approx(one.margin, abs=1e-5)
        assert list(together.right) == (made[at].classes == labels)[order].tolist()
        now = fitness.predictions(templates[at], "train")
        assert now.looked_at.all() and (now.classes == made[at].classes).all()


def test_a_part_that_is_closed_early_is_asked_for_again(scored) -> None:
    fitness, templates = scored
    rows = [5, 0, 9]
    undisturbed = score(fitness, templates, rows)
    work = fitness.score(templates, split="train", rows=rows)
    next(work, None)
    work.close()
    assert score(fitness, templates, rows) == undisturbed
    assert score(fitness, templates[:1], rows[1:]) != undisturbed[:1]

"""How much the wording matters to the tiny encoder.

    python -m engine.demo.training.ladder [folder]

For each demo data set: test accuracy with none to all four of the informative factors named
rightly, with all four named wrongly, with random values, and the agreement of accuracy on five
shots a class with accuracy on the test split. A search can climb only if this ladder has even
steps, so the tests and the weights' card rest on these figures.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from engine.data.demo_world.images import task_image
from engine.data.demo_world.vocabulary import (
    FACTORS,
    TASKS,
    Task,
    build_template,
)
from engine.demo.training.train_clip import encode_text
from engine.prompts.template import PLACEHOLDER
from engine.vlm.dual_encoder.task import TASK

WEIGHTS = Path(__file__).parents[1] / "weights" / "clip"


@dataclass(frozen=True)
class Ladder:
    """Test accuracies (0 to 1) on one data set; each is a mean over templates but `seed`."""

    task: str
    seed: float  # of the seed template
    right: tuple[float, ...]  # with 0, 1, 2, 3, 4 informative factors named, all rightly
    each: dict[str, float]  # gain of naming this factor rightly, the others unnamed
    wrong: float  # all four named, all wrongly
    random: float  # four random factors, random values
    correlation: float  # of accuracy on five shots a class with test accuracy, over templates
    spread: float  # standard deviation over wordings that name all four rightly


class Encoder:
    """The model as open_clip loads it, and features of the demo's images and templates."""

    def __init__(self, folder: Path = WEIGHTS) -> None:
        name = f"local-dir:{folder}"
        self.model, _, self.transform = open_clip.create_model_and_transforms(name)
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)

    @torch.no_grad()
    def images(self, task: Task, split: str, count: int) -> Tensor:
        """Features of `count` images a class, (classes * count, d), class by class."""
        batch = [
            self.transform(Image.fromarray(task_image(task.name, name, split, i)))
            for name in task.classes
            for i in range(count)
        ]
        return F.normalize(self.model.encode_image(torch.stack(batch)), dim=-1)

    @torch.no_grad()
    def classifiers(self, task: Task, templates: Sequence[str]) -> Tensor:
        """Text features, (templates, classes, d)."""
        texts = [t.replace(PLACEHOLDER, name) for t in templates for name in task.classes]
        ids = self.tokenizer(texts)
        lengths = ids.argmax(1) + 1
        order = lengths.argsort()
        features = torch.empty(len(texts), self.model.text_projection.shape[1])
        for batch in order.split(256):  # of about one length, cut there: exact and faster
            features[batch] = encode_text(self.model, ids[batch, : int(lengths[batch].max())])
        return F.normalize(features, dim=-1).view(len(templates), len(task.classes), -1)

    def accuracies(
        self, task: Task, templates: Sequence[str], images: Tensor
    ) -> NDArray[np.float64]:
        """Accuracy of each template on images that come class by class, (templates,)."""
        classes = len(task.classes)
        labels = torch.arange(classes).repeat_interleave(len(images) // classes)
        predicted = (images @ self.classifiers(task, templates).transpose(1, 2)).argmax(-1)
        hits = (predicted == labels).double().mean(1)
        return np.asarray(hits.numpy(), dtype=np.float64)


def right_templates(task: Task, named: int, wordings: int, rng: random.Random) -> list[str]:
    """Templates that name `named` of the informative factors rightly, all choices of them."""
    return [
        build_template({f: task.factors[f] for f in chosen}, rng)
        for chosen in itertools.combinations(task.informative, named)
        for _ in range(wordings)
    ]


def wrong_templates(task: Task, count: int, rng: random.Random) -> list[str]:
    """Templates that name all informative factors, each with a wrong value."""
    return [
        build_template(
            {
                f: rng.choice([v for v in FACTORS[f].values if v != task.factors[f]])
                for f in task.informative
            },
            rng,
        )
        for _ in range(count)
    ]


def random_templates(count: int, rng: random.Random) -> list[str]:
    """Templates that name random values of four random factors."""
    return [
        build_template(
            {f: rng.choice(tuple(FACTORS[f].values)) for f in rng.sample(tuple(FACTORS), 4)}, rng
        )
        for _ in range(count)
    ]


def measure(
    encoder: Encoder, task: Task, *, wordings: int = 8, guesses: int = 200, test_images: int = 60
) -> Ladder:
    """Measure one data set.

    `wordings` templates for each choice of factors, `guesses` random ones, `test_images` a class.
    """
    rng = random.Random(f"ladder {task.name}")
    test = encoder.images(task, "test", test_images)
    right = [
        encoder.accuracies(task, right_templates(task, n, wordings * (1, 1, 1, 1, 3)[n], rng), test)
        for n in range(5)
    ]
    none = float(right[0].mean())
    singles = right[1].reshape(len(task.informative), wordings).mean(1)
    drawn = random_templates(guesses, rng)
    random_test = encoder.accuracies(task, drawn, test)
    mixed = [*drawn, *(t for n in range(5) for t in right_templates(task, n, 2, rng))]
    shots = encoder.images(task, "train", 5)
    agreement = np.corrcoef(
        encoder.accuracies(task, mixed, shots), encoder.accuracies(task, mixed, test)
    )[0, 1]
    wrong = encoder.accuracies(task, wrong_templates(task, 8 * wordings, rng), test)
    return Ladder(
        task=task.name,
        seed=float(encoder.accuracies(task, [TASK.seed_template], test)[0]),
        right=tuple(float(r.mean()) for r in right),
        each={f: float(a) - none for f, a in zip(task.informative, singles, strict=True)},
        wrong=float(wrong.mean()),
        random=float(random_test.mean()),
        correlation=float(agreement),
        spread=float(right[4].std()),
    )


def as_markdown(ladders: Sequence[Ladder]) -> str:
    """The table of the weights' card, accuracies in per cent."""
    head = ("data set", "seed", "0 right", "1", "2", "3", "4", "spread", "4 wrong", "random", "r")
    rows = [
        (
            r.task,
            *(f"{100 * x:.1f}" for x in (r.seed, *r.right, r.spread, r.wrong, r.random)),
            f"{r.correlation:.2f}",
        )
        for r in ladders
    ]
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS)
    torch.set_num_threads(1)
    encoder = Encoder(parser.parse_args().folder)
    ladders = [measure(encoder, task) for task in TASKS.values()]
    lines = [as_markdown(ladders), ""]
    for ladder in ladders:
        gains = ", ".join(f"{f} {100 * g:+.1f}" for f, g in ladder.each.items())
        lines.append(f"{ladder.task}: gain of one right factor alone: {gains}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

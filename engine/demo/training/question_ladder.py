"""How much the wording of a question matters to the demo's LLaVA.

    python -m engine.demo.training.question_ladder [folder] [--set KEY=VALUE]

For each demo data set: test accuracy, as a run scores it, of the seed question, of questions for
the name with none to all four of the informative factors named rightly, with all four named
wrongly, and of vague questions, with none and all of the factors. The weights' card and the tests
rest on these figures.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from engine.common.generators import result_of
from engine.common.kept import Kept
from engine.config.toml_file import load_config
from engine.data.demo_world.vocabulary import FACTORS, TASKS, Task
from engine.demo.training.questions import ASK, NAMING, VAGUE, compose_question
from engine.vlm.encoder_decoder.task import TASK
from engine.vlm.interface import Fitness
from engine.vlm.loading import load_fitness

WEIGHTS = Path(__file__).parents[1] / "weights" / "llava"


@dataclass(frozen=True)
class QuestionLadder:
    """Test accuracies (0 to 1) on one data set; each is a mean over questions but `seed`."""

    task: str
    seed: float
    right: tuple[float, ...]  # with 0, 1, 2, 3, 4 informative factors named, all rightly
    wrong: float  # all four named, all wrongly
    vague: tuple[float, float]  # vague questions with none and all four named rightly


def load(task: Task, folder: Path = WEIGHTS, overrides: Sequence[str] = ()) -> Fitness:
    """The model as a run loads it, with the images of a demo data set."""
    config = load_config(
        "demo-llava", [f"data.dataset=demo-{task.name}", f"vlm.model={folder}", *overrides]
    )
    return load_fitness(config, lambda *_: None, lambda _: None, Kept())


def measure(fitness: Fitness, task: Task, *, wordings: int = 2, every: int = 1) -> QuestionLadder:
    """Measure one data set, with `wordings` questions for each choice of factors.

    Of the test images one in `every` is asked about, so many of each class.
    """
    rows = range(0, fitness.size("test"), every)
    rng = random.Random(f"questions {task.name}")

    def question(openings: Sequence[str], values: dict[str, str]) -> str:
        phrases = {f: rng.choice(FACTORS[f].values[v]) for f, v in values.items()}
        return compose_question(phrases | {ASK: rng.choice(openings)}, rng)

    def right(count: int, openings: Sequence[str], times: int) -> list[str]:
        return [
            question(openings, {f: task.factors[f] for f in chosen})
            for chosen in itertools.combinations(task.informative, count)
            for _ in range(times)
        ]

    wrong = [
        question(
            NAMING,
            {
                f: rng.choice([v for v in FACTORS[f].values if v != task.factors[f]])
                for f in task.informative
            },
        )
        for _ in range(3 * wordings)
    ]
    groups = [right(n, NAMING, wordings * (3, 1, 1, 1, 3)[n]) for n in range(5)]
    groups += [wrong, *(right(n, VAGUE, 3 * wordings) for n in (0, 4)), [TASK.seed_template]]
    scores = [accuracies(fitness, group, rows) for group in groups]
    means = [fmean(found) for found in scores]
    return QuestionLadder(task.name, means[8], tuple(means[:5]), means[5], (means[6], means[7]))


def accuracies(fitness: Fitness, templates: Sequence[str], rows: Sequence[int]) -> list[float]:
    """Accuracy of each question, 0 to 1, on these of the test images."""
    scores = result_of(fitness.score(templates, split="test", rows=rows))
    return [score.hits / score.n for score in scores]


def as_markdown(ladders: Sequence[QuestionLadder]) -> str:
    """The table of the weights' card, accuracies in per cent."""
    head = ("data set", "seed", "0 right", "1", "2", "3", "4", "4 wrong", "vague", "vague, 4 right")
    rows = [
        (r.task, *(f"{100 * x:.1f}" for x in (r.seed, *r.right, r.wrong, *r.vague)))
        for r in ladders
    ]
    lines = [" | ".join(row) for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names, with commas between")
    chosen = parser.parse_args()
    ladders = []
    for name in chosen.tasks.split(","):
        ladders.append(measure(load(TASKS[name], chosen.folder, chosen.set), TASKS[name]))
    sys.stdout.write(as_markdown(ladders) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

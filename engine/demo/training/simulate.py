"""The GLOV loop on imaginary data sets: how well an LLM searches, without images and in seconds.

The step is the real one (`engine.search.proposing`), only the scores come from a `World` of
`worlds.py` instead of a VLM. `benchmarks/demo_llm.py` prints the figures of the tiny LLM's card.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from engine.common.errors import ModelError
from engine.common.generators import result_of
from engine.config import Pooling, RunConfig, SamplingConfig, SteeringConfig
from engine.data.dataset import LabelledImage, Split
from engine.data.demo_world.vocabulary import FACTORS, named_values
from engine.demo.training.dialogues import random_phrases
from engine.demo.training.wordings import TEMPLATES, Wording
from engine.demo.training.worlds import Phrases, World
from engine.llm.interface import LanguageModel, Reply, SteeringShift, TokenColumn
from engine.prompts.message import Message
from engine.run.emitting import one_by_one
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.search.glov import GlovSearch
from engine.search.meta_prompt import Example, load_meta_prompt
from engine.steering.direction import Direction, Steering
from engine.steering.measures import LayerLens
from engine.vlm.interface import Score, ScoringProgress, TemplateCheck
from engine.vlm.predictions import KeptPredictions


def standard_world(rng: random.Random, wording: Wording = TEMPLATES) -> World:
    """A world like the demo tasks': four factors that matter, 5 shots of 14 classes."""
    while True:
        world = wording.world(rng)
        if len(world.right) == 4 and not world.strange[0]:
            gain = dict.fromkeys(world.right, 0.08)
            return World(world.right, 0.46, gain, world.loss, world.taste, ("", 0.0), 70)


class WorldFitness:
    """A `Fitness` that scores templates by the factor values that they name."""

    name = "imaginary VLM"
    dataset_name = "imaginary"
    dataset_description = "Small things from a collector's cabinet."
    dataset_fingerprint = "none"
    class_names = ("cup", "bell")
    cache_entries: tuple[str, ...] = ()

    def __init__(self, world: World, seed: int = 0, wording: Wording = TEMPLATES) -> None:
        self.world = world
        self._seed = seed
        self._wording = wording
        self.kept = KeptPredictions()

    def size(self, split: Split) -> int:
        """As many images on either split."""
        return self.world.n

    def class_sizes(self, split: Split) -> tuple[int, ...]:
        """Not known: hits are drawn for all classes together."""
        return ()

    revision = weights = ""

    def fingerprint(self, split: Split) -> str:
        """There are no images."""
        return ""

    def check(self, template: str) -> TemplateCheck:
        """Everything is read."""
        return TemplateCheck()

    def score(
        self, templates: Sequence[str], *, split: Split, rows: Sequence[int] | None = None
    ) -> Generator[ScoringProgress, None, list[Score]]:
        """Noisy scores; the noise of a template depends on its text and the seed only."""
        assert rows is None  # there are no images
        yield ScoringProgress(len(templates), len(templates))
        return [self._score(text) for text in templates]

    def score_ensemble(
        self, templates: Sequence[str], *, split: Split
    ) -> Generator[ScoringProgress, None, Score]:
        """The mean of the templates' accuracies, without noise."""
        yield ScoringProgress(1, 1)
        accuracy = fmean(self.world.expected(self._phrases(text)) for text in templates)
        return Score(round(accuracy * 1000), 1000, 0.0, ())

    dataset_root = Path()

    def images(self, split: Split) -> tuple[LabelledImage, ...]:
        """There are none."""
        return ()

    def predictions(self, template: str, split: Split) -> None:
        """There are no images."""

    def _phrases(self, text: str) -> Phrases:
        return named_phrases(text) | self._wording.opening(text)

    def _score(self, text: str) -> Score:
        phrases = self._phrases(text)
        rng = random.Random(f"{self._seed}/{text}")
        hits = self.world.hits(phrases, rng)
        return Score(hits, self.world.n, self.world.expected(phrases) - 1, ())


def named_phrases(text: str) -> Phrases:
    """The vocabulary's phrases in a template, by factor."""
    lowered = f" {text.lower()} "
    phrases: Phrases = {}
    for name, value in named_values(text).items():
        found = [words for words in FACTORS[name].values[value] if words in lowered]
        phrases[name] = max(found, key=len)
    return phrases


class RandomProposer:
    """A `LanguageModel` that never looks at the meta-prompt; what any search must beat."""

    name = "random proposer"
    revision = ""
    layers = 0
    chats = True
    thinks_first = False
    spending = None

    def most_tokens(self, sampling: SamplingConfig) -> int:
        """All of them come at once."""
        return 1

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[TokenColumn | SteeringShift, None, list[Reply]]:
        """Templates that name four factors or so, at random."""
        rngs = [random.Random(seed) for seed in seeds]
        texts = [
            TEMPLATES.render(random_phrases(rng, naming=0.8), rng, finished=True) for rng in rngs
        ]
        yield TokenColumn(tuple(texts))
        return [Reply(text, 1, "stop") for text in texts]

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """It has no hidden states: ``layers`` is 0, and the optimiser never asks."""
        raise ModelError("a random proposer can't be steered")

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """Nor has it a head."""
        raise ModelError("a random proposer can't be steered")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    parsed: float  # share of replies that gave a template
    new: float  # share of replies that gave a new one
    ensemble: float  # accuracy of the final top-3 ensemble, 0 to 1
    right: float  # share of the factors that matter which the best template names rightly
    all_right: float  # accuracy of a template that names all of them rightly, in ordinary words


def simulate(
    llm: LanguageModel,
    world: World,
    seed: int,
    steering: SteeringConfig,
    steps: int = 20,
    wording: Wording = TEMPLATES,
) -> Outcome:
    """One run of the real loop in an imaginary world."""
    config = RunConfig.model_validate(
        {
            "seed": seed,
            "steps": steps,
            "data": {"dataset": "imaginary"},
            "vlm": {"kind": wording.vlm},
            "steering": steering.model_dump(),
        }
    )
    fitness = WorldFitness(world, seed, wording)
    search = GlovSearch(config, llm, fitness, load_meta_prompt(None, wording.task))
    state = RunState(config=config).apply(search.models_loaded(seconds=0.0))
    generators = [search.begin, *[search.step] * steps, search.finish]
    for part in generators:
        for event in one_by_one(part(state)):
            state = state.apply(event)
    rejected = sum(step.rejected for step in state.steps)
    new = sum(step.new for step in state.steps)
    replies = rejected + new + sum(step.duplicates for step in state.steps)
    ensemble = state.test("ensemble")
    assert ensemble is not None
    named = named_values(state.ranking[0].text)
    right = {f: FACTORS[f].values[v][0] for f, v in world.right.items()}
    return Outcome(
        parsed=1 - rejected / replies,
        new=new / replies,
        ensemble=ensemble.hits / ensemble.n,
        right=fmean(named.get(f) == v for f, v in world.right.items()),
        all_right=world.expected(right) - sum(world.taste[words] for words in right.values()),
    )


def propose(
    llm: LanguageModel,
    best: Sequence[ScoredTemplate],
    worst: Sequence[ScoredTemplate],
    sampling: SamplingConfig,
    seeds: Sequence[int],
    wording: Wording = TEMPLATES,
) -> list[Reply]:
    """One reply per seed to a meta-prompt with these examples, each from low to high accuracy."""
    messages = load_meta_prompt(None, wording.task).compose(
        dataset_name=WorldFitness.dataset_name,
        dataset_description=WorldFitness.dataset_description,
        class_names=WorldFitness.class_names,
        best=[Example(t.text, 100 * t.accuracy) for t in best],
        worst=[Example(t.text, 100 * t.accuracy) for t in worst],
        step=1,
    )
    return list(result_of(llm.propose(messages, sampling, seeds)))

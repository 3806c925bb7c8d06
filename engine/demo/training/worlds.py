"""Imaginary data sets of the tiny LLM's training: what makes templates good, and how good.

No image is drawn and no VLM is asked: a `World` gives every template an accuracy from the factor
values that it names.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from engine.data.demo_world.vocabulary import FACTORS, HIDDEN_FACTORS, TASKS, Task

Phrases = dict[str, str]  # factor -> the words that name one of its values

STRANGE = "strange"
"""A made-up factor: a phrase outside the vocabulary, as users inject them."""

VALUE_OF = {
    words: (factor.name, value)
    for factor in FACTORS.values()
    for value, phrases in factor.values.items()
    for words in phrases
}
"""Phrase -> its factor and value."""

# Words for what users may write: names, descriptions and phrases outside the vocabulary.
PREPOSITIONS = ("beside", "behind", "below", "near", "under", "with", "without", "inside", "like")
ADJECTIVES = (
    "old", "new", "small", "large", "bright", "dark", "broken", "clean", "dirty", "heavy", "rusty",
    "shiny", "strange", "common", "rare", "vintage", "modern", "soft", "golden", "empty", "painted",
)  # fmt: skip
NOUNS = (
    "clock", "window", "door", "river", "garden", "street", "shelf", "box", "hand", "shop",
    "museum", "kitchen", "polaroid", "poster", "book", "catalogue", "market", "stage", "wall",
    "lamp", "map",
    "animal", "flower", "vehicle", "texture", "satellite", "food", "scene", "object", "item",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """What makes templates good in one imaginary data set. Accuracies are shares, 0 to 1."""

    right: Mapping[str, str]  # hidden factor that matters -> its right value
    base: float  # accuracy of a template that names nothing
    gain: Mapping[str, float]  # factor -> what naming the right value adds
    loss: Mapping[tuple[str, str], float]  # (factor, wrong value) -> what naming it costs
    taste: Mapping[str, float]  # phrase -> small effect of the wording itself
    strange: tuple[str, float]  # a phrase outside the vocabulary ("" for none) and its effect
    n: int  # images of the few-shot set

    def expected(self, phrases: Mapping[str, str]) -> float:
        """Accuracy of a template that uses these phrases, without sampling noise, 0.02 to 0.99."""
        total = self.base
        for factor, words in phrases.items():
            total += self.taste.get(words, 0.0)
            if factor == STRANGE:
                total += self.strange[1]
            elif factor in self.right:
                value = VALUE_OF[words][1]
                if value == self.right[factor]:
                    total += self.gain[factor]
                else:
                    total -= self.loss[factor, value]
        return min(max(total, 0.02), 0.99)

    def hits(self, phrases: Mapping[str, str], rng: random.Random) -> int:
        """Images classified right out of ``n``.

        All templates meet the same images, so that two of them differ by less than two binomial
        draws would: the noise has half the binomial's standard deviation.
        """
        p = self.expected(phrases)
        noise = rng.gauss(0.0, 0.5 * (p * (1 - p) / self.n) ** 0.5)
        return min(max(round(self.n * (p + noise)), 0), self.n)


def random_world(rng: random.Random) -> World:
    """A world with two to five factors that matter; never that of a demo task."""
    while True:
        informative = rng.sample(HIDDEN_FACTORS, rng.choice((2, 3, 4, 4, 4, 5)))
        right = {name: rng.choice(tuple(FACTORS[name].values)) for name in informative}
        if not any(_agrees(right, task) for task in TASKS.values()):
            break
    gain = {name: rng.uniform(0.04, 0.14) for name in informative}
    harm = rng.uniform(0.0, 0.8)  # wrong names cost this share of the gain, more or less
    loss = {
        (name, value): gain[name] * harm * rng.uniform(0.0, 1.5)
        for name in informative
        for value in FACTORS[name].values
    }
    spread = rng.choice((0.0, 0.01, 0.02))
    taste = {words: rng.gauss(0.0, spread) for words in VALUE_OF}
    strange = (strange_phrase(rng), rng.choice((-1, 1)) * rng.uniform(0.02, 0.12))
    n = rng.randint(8, 16) * rng.choice((1, 2, 5, 5, 5, 10, 16))
    has_strange = rng.random() < 0.3
    return World(
        right, rng.uniform(0.2, 0.6), gain, loss, taste, strange if has_strange else ("", 0.0), n
    )


def _agrees(right: Mapping[str, str], task: Task) -> bool:
    return all(right.get(factor) == task.factors[factor] for factor in task.informative)


def strange_phrase(rng: random.Random) -> str:
    """A phrase outside the vocabulary, now and then with a word that nobody knows."""
    noun = rng.choice(NOUNS)
    if rng.random() < 0.25:
        syllables = (rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3))
        noun = "".join(syllables) + rng.choice(("", "n", "s", "r"))
    adjective = f"{rng.choice(ADJECTIVES)} " if rng.random() < 0.6 else ""
    return f"{rng.choice(PREPOSITIONS)} the {adjective}{noun}"

"""Synthetic meta-prompt dialogues: what the tiny LLM learns to propose templates from.

A dialogue shows an imaginary run in the middle of its search, in exactly the words that
`engine.metaprompt` uses, and asks for a template. Behind the run stands a `World`: a random
choice of right values for the factors of `vocabulary.py`, from which every template of the run
has its (noisy) accuracy. The replies are templates of someone who knows the world. Nobody can
know it from the prompt, so what a model can learn is to *infer* it: keep the phrases that the
good templates share, leave out those of the bad ones, and guess where the run has not tried yet.

Worlds are drawn anew for every dialogue. Those that agree with a demo task are left out, and the
demo tasks' descriptions occur only above worlds that have nothing to do with them: the answers of
the demo can't be learnt from here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.demo.vocabulary import (
    FACTORS,
    HIDDEN_FACTORS,
    SEED_TEMPLATE,
    TASKS,
    VISIBLE_FACTORS,
    Task,
    compose,
    random_task,
)
from engine.history import Proposal, ScoredTemplate, best_and_worst, find_anchors, ranked
from engine.llm.base import Message
from engine.metaprompt import SYSTEM_PROMPT, TASK, Example, MetaPrompt, load_meta_prompt
from engine.reply import normalise

Phrases = dict[str, str]  # factor -> the words that name one of its values

STRANGE = "strange"
"""A made-up factor: a phrase outside the vocabulary, as users inject them."""

MAX_PHRASES = 6  # phrases in one template of an imaginary run

_VALUE_OF = {
    words: (factor.name, value)
    for factor in FACTORS.values()
    for value, phrases in factor.values.items()
    for words in phrases
}
_ALL_PHRASES = {
    name: tuple(words for phrases in factor.values.values() for words in phrases)
    for name, factor in FACTORS.items()
}

# Words for what users may write: descriptions, names, tasks and phrases outside the vocabulary.
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
TASK_WORDS = (
    "write", "propose", "a", "better", "short", "template", "prompt", "for", "the", "images",
    "classes", "of", "model", "that", "works", "best", "accuracy", "highest", "describe", "how",
    "photos", "were", "taken", "keep", "it", "simple", "use", "few", "words", "please", "and",
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
                value = _VALUE_OF[words][1]
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


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A meta-prompt, replies of one who knows the world, and the run's anchors P+ and P-."""

    messages: tuple[Message, ...]
    replies: tuple[str, ...]
    anchors: tuple[str, str] | None  # texts; None before the first improvement


# -- worlds --------------------------------------------------------------------------------------


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
    taste = {words: rng.gauss(0.0, spread) for words in _VALUE_OF}
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


# -- templates -----------------------------------------------------------------------------------


def render(phrases: Phrases, rng: random.Random, *, finished: bool = False) -> str:
    """The template of these phrases in random order; ``finished`` puts a full stop at the end."""
    text = compose({f: words for f, words in phrases.items() if f != STRANGE}, rng)
    if STRANGE in phrases:
        words = phrases[STRANGE]
        body = text.removesuffix(".")
        text = f"{words}, {body}" if rng.random() < 0.1 else f"{body} {words}"
        text += rng.choice((".", ""))
    return text.removesuffix(".") + "." if finished else text


def ideal_phrases(world: World, rng: random.Random, *, strange: bool) -> Phrases:
    """The phrases of one who knows the world: right values in well-liked words, little else.

    ``strange``: whether the world's phrase outside the vocabulary may be used.
    """
    phrases: Phrases = {}
    for name in HIDDEN_FACTORS:
        if name in world.right and rng.random() < 0.95:
            phrases[name] = _liked(world, FACTORS[name].values[world.right[name]], rng)
        elif name not in world.right and rng.random() < 0.08:
            phrases[name] = rng.choice(_ALL_PHRASES[name])
    for name in VISIBLE_FACTORS:
        if rng.random() < 0.1:
            phrases[name] = _liked(world, _ALL_PHRASES[name], rng)
    if strange and world.strange[1] > 0 and rng.random() < 0.95:
        phrases[STRANGE] = world.strange[0]
    return phrases


def _liked(world: World, phrases: Sequence[str], rng: random.Random) -> str:
    best, other = rng.choice(phrases), rng.choice(phrases)
    return best if world.taste[best] >= world.taste[other] else other


def random_phrases(rng: random.Random, naming: float = 0.5) -> Phrases:
    """Phrases of someone who knows nothing; ``naming`` is the chance of a hidden factor."""
    chances = [(name, naming) for name in HIDDEN_FACTORS]
    chances += [(name, 0.25) for name in VISIBLE_FACTORS]
    chosen = [name for name, chance in chances if rng.random() < chance]
    rng.shuffle(chosen)
    return {name: rng.choice(_ALL_PHRASES[name]) for name in chosen[:MAX_PHRASES]}


# -- runs ----------------------------------------------------------------------------------------


def scored(text: str, hits: int, n: int, step: int, margin: float = 0.0) -> ScoredTemplate:
    """A scored template as the optimiser keeps it."""
    first = Proposal(step, 1, 0)
    return ScoredTemplate(normalise(text), text, "llm", first, hits, n, margin, {})


def imagine_run(world: World, rng: random.Random) -> list[ScoredTemplate]:
    """The templates of a run that is 0 to 20 steps old, in the order in which they were found.

    The imaginary proposer crosses over the best templates so far and tries random phrases; how
    well it does both varies, so that runs that go well, badly and astray are all shown.
    """
    found: dict[str, tuple[ScoredTemplate, Phrases]] = {}

    def score(phrases: Phrases, text: str, step: int) -> None:
        entry = scored(text, world.hits(phrases, rng), world.n, step, world.expected(phrases))
        found.setdefault(entry.key, (entry, phrases))

    score({}, SEED_TEMPLATE, 0)
    if rng.random() < 0.1:  # a run from another seed template
        found.clear()
        phrases = random_phrases(rng, naming=0.2)
        score(phrases, render(phrases, rng), 0)
    inherit = rng.uniform(0.3, 0.9)
    naming = rng.uniform(0.2, 0.8)
    n_steps = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 13, 16, 20))
    n_candidates = rng.choice((3, 5, 8, 8))
    for step in range(1, n_steps + 1):
        by_score = sorted(found.values(), key=lambda pair: -pair[0].hits)
        parents = [phrases for _, phrases in by_score[:5]]
        for _ in range(n_candidates):
            phrases = random_phrases(rng, naming)
            for name in rng.sample(tuple(FACTORS), len(FACTORS)):
                if rng.random() < inherit:
                    phrases.pop(name, None)
                    parent = rng.choice(parents)
                    if name in parent and len(phrases) < MAX_PHRASES:
                        phrases[name] = parent[name]
            if world.strange[0] and rng.random() < 0.3:
                phrases[STRANGE] = world.strange[0]
            score(phrases, render(phrases, rng), step)
    return [entry for entry, _ in found.values()]


# -- dialogues -----------------------------------------------------------------------------------


def make_dialogue(rng: random.Random, replies: int = 1, most_examples: int = 6) -> Dialogue:
    """One dialogue with this many replies to the same meta-prompt, none of them in the run.

    It shows 1 to ``most_examples`` best templates, mostly five, and as many of the worst.
    """
    world = random_world(rng)
    run = imagine_run(world, rng)
    ranking = ranked(run)
    k = min(rng.choice((5, 5, 5, 5, 5, 5, 3, 3, 1, 2, 4, 6)), most_examples)
    best, worst = best_and_worst(ranking, k)
    anchors = find_anchors(ranking)
    known = {template.key for template in run}
    # Nobody could guess a phrase outside the vocabulary: it is used only where it was shown.
    shown = bool(world.strange[0]) and any(world.strange[0] in t.text for t in (*best, *worst))
    texts: list[str] = []
    while len(texts) < replies:
        text = render(ideal_phrases(world, rng, strange=shown), rng, finished=True)
        if normalise(text) not in known:
            texts.append(text)
    return Dialogue(
        _messages(best, worst, run[-1].first.step + 1, rng),
        tuple(texts),
        None if anchors is None else (anchors[0].text, anchors[1].text),
    )


def _messages(
    best: Sequence[ScoredTemplate],
    worst: Sequence[ScoredTemplate],
    step: int,
    rng: random.Random,
) -> tuple[Message, ...]:
    """The meta-prompt, with texts that a person may have edited in some of the dialogues."""
    system_prompt, task = SYSTEM_PROMPT, TASK
    if rng.random() < 0.25:
        system_prompt = _edited(SYSTEM_PROMPT, rng)
    if rng.random() < 0.25:
        task = " ".join(rng.choices(TASK_WORDS, k=rng.randint(3, 20))) + "."
    built_in = _built_in()
    prompt = MetaPrompt(built_in.source, built_in.origin, system_prompt, task)
    name, description, classes = _dataset(rng)
    return prompt.compose(
        dataset_name=name,
        dataset_description=description,
        class_names=classes,
        best=[Example(t.text, 100 * t.accuracy) for t in best],
        worst=[Example(t.text, 100 * t.accuracy) for t in worst],
        step=step,
    )


@lru_cache(maxsize=1)
def _built_in() -> MetaPrompt:
    return load_meta_prompt(None)


def _dataset(rng: random.Random) -> tuple[str, str, Sequence[str]]:
    """Name, description and classes, drawn without regard to the world."""
    kind = rng.random()
    if kind < 0.35:  # the demo's texts are read, and mean nothing
        task = rng.choice(tuple(TASKS.values()))
        return task.name, task.description, task.classes
    name = " ".join(rng.sample(ADJECTIVES + NOUNS, rng.choice((1, 1, 2))))
    if kind < 0.7:
        task = random_task(rng)
        return name, task.description, task.classes
    if kind < 0.85:
        return name, "", NOUNS[:2]
    words = rng.choices(ADJECTIVES + NOUNS + TASK_WORDS, k=rng.randint(3, 15))
    return name, f"{' '.join(words).capitalize()}.", NOUNS[:2]


def _edited(text: str, rng: random.Random) -> str:
    """``text`` with sentences and words left out, swapped or replaced."""
    sentences = [s for s in text.split(". ") if rng.random() < 0.7]
    words = " ".join(sentences).split()
    for _ in range(rng.randint(0, 4)):
        if len(words) > 3:
            place = rng.randrange(len(words))
            words[place] = rng.choice(TASK_WORDS + ADJECTIVES)
    return " ".join(words)

"""How the phrases of an imaginary run become templates: those of CLIP, or questions.

Both name factors in the same phrases. A question also has an opening, which asks for the name of
the thing or for something else; openings are phrases of a factor of their own, ``ASK``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from engine.data.demo_world.vocabulary import compose
from engine.demo.training.questions import ASK, OPENINGS, compose_question, opening_of
from engine.demo.training.worlds import STRANGE, Phrases, World, random_world
from engine.vlm.dual_encoder.task import TASK as TEMPLATE_TASK
from engine.vlm.encoder_decoder.task import TASK as QUESTION_TASK
from engine.vlm.task import Task


class Wording(Protocol):
    """What templates of one family of VLMs look like."""

    @property
    def task(self) -> Task: ...

    @property
    def vlm(self) -> str:
        """Its ``vlm.kind``."""
        ...

    @property
    def seed(self) -> Phrases:
        """The phrases of the seed template."""
        ...

    def world(self, rng: random.Random) -> World:
        """A random world, with what openings are worth in it."""
        ...

    def render(self, phrases: Phrases, rng: random.Random, *, finished: bool = False) -> str:
        """The template of these phrases in random order; ``finished`` as ``finish`` does."""
        ...

    def add(self, text: str, words: str) -> str:
        """The template with one more suffix."""
        ...

    def finish(self, text: str) -> str:
        """The template as a whole sentence."""
        ...

    def some_opening(self, rng: random.Random) -> Phrases:
        """An opening of someone who knows nothing; empty where templates have none."""
        ...

    def good_opening(self, world: World, shown: Sequence[str], rng: random.Random) -> Phrases:
        """One of someone who knows the world, mostly one of those shown."""
        ...

    def opening(self, text: str) -> Phrases:
        """The opening that a template has."""
        ...


class Templates:
    """Those of CLIP: "a photo of a <category> in blue light."."""

    task = TEMPLATE_TASK
    vlm = "dual-encoder"

    @property
    def seed(self) -> Phrases:
        return {}

    def world(self, rng: random.Random) -> World:
        return random_world(rng)

    def render(self, phrases: Phrases, rng: random.Random, *, finished: bool = False) -> str:
        text = compose({f: words for f, words in phrases.items() if f != STRANGE}, rng)
        if STRANGE in phrases:
            words = phrases[STRANGE]
            body = text.removesuffix(".")
            text = f"{words}, {body}" if rng.random() < 0.1 else f"{body} {words}"
            text += rng.choice((".", ""))
        return self.finish(text) if finished else text

    def add(self, text: str, words: str) -> str:
        return f"{text.removesuffix('.')}, {words}."

    def finish(self, text: str) -> str:
        return text.removesuffix(".") + "."

    def some_opening(self, rng: random.Random) -> Phrases:
        return {}

    def good_opening(self, world: World, shown: Sequence[str], rng: random.Random) -> Phrases:
        return {}

    def opening(self, text: str) -> Phrases:
        return {}


class Questions:
    """Those of LLaVA: "Name the object, in blue light."."""

    task = QUESTION_TASK
    vlm = "encoder-decoder"

    @property
    def seed(self) -> Phrases:
        return {ASK: QUESTION_TASK.seed_template}

    def world(self, rng: random.Random) -> World:
        world = random_world(rng)
        spread = rng.choice((0.0, 0.01, 0.03))
        worth = {words: rng.gauss(0.0, spread) for words in OPENINGS["name"]}
        loss = rng.uniform(0.1, 0.4)  # the model tells something else than the name
        worth.update((words, -loss * rng.uniform(0.5, 1.5)) for words in OPENINGS["vague"])
        return replace(world, taste={**world.taste, **worth})

    def render(self, phrases: Phrases, rng: random.Random, *, finished: bool = False) -> str:
        text = compose_question({f: w for f, w in phrases.items() if f != STRANGE}, rng)
        return self.add(text, phrases[STRANGE]) if STRANGE in phrases else text

    def add(self, text: str, words: str) -> str:
        return f"{text[:-1]}, {words}{text[-1]}"

    def finish(self, text: str) -> str:
        return text

    def some_opening(self, rng: random.Random) -> Phrases:
        kind = "name" if rng.random() < 0.6 else "vague"
        return {ASK: rng.choice(OPENINGS[kind])}

    def good_opening(self, world: World, shown: Sequence[str], rng: random.Random) -> Phrases:
        good = [words for words in OPENINGS["name"] if world.taste[words] >= 0]
        found = [self.opening(text).get(ASK, "") for text in shown]
        seen = [words for words in found if words in OPENINGS["name"]]
        if seen and rng.random() < 0.7:
            return {ASK: max(rng.choices(seen, k=2), key=lambda words: world.taste[words])}
        return {ASK: rng.choice(good or OPENINGS["name"])}

    def opening(self, text: str) -> Phrases:
        found = opening_of(text)
        return {} if found is None else {ASK: found}


TEMPLATES, QUESTIONS = Templates(), Questions()

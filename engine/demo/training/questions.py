"""The questions that the demo's LLaVA is trained on, and the words of its answers.

A question asks for the name of the thing, or asks about something else, and it may say how the
picture was taken, in the phrases of `vocabulary.py`. Asked for the name, the model answers with a
class; asked about anything else, it tells medium, weather and background.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from engine.data.demo_world.vocabulary import FACTORS, HIDDEN_FACTORS, VISIBLE_FACTORS
from engine.demo.training.captions import FILLERS
from engine.vlm.encoder_decoder.task import TASK

Phrases = dict[str, str]  # factor -> the words that name one of its values

ASK = "ask"
"""The made-up factor that an opening is a phrase of."""

NAMING: tuple[str, ...] = (
    TASK.seed_template,
    "What is the name of the thing in this {image}?",
    "What is the name of its category?",
    "Name the object in this {image}.",
    "Which object does this {image} show?",
    "Which category does this {image} belong to?",
    "What kind of thing is this?",
    "Say which thing can be seen in the {image}.",
    "Identify the object in the {image}.",
)
VAGUE: tuple[str, ...] = (
    "Describe this {image}.",
    "What do you see?",
    "Tell me about this {image}.",
    "How was this {image} made?",
    "Where was this {image} taken?",
    "What does the background look like?",
    "Write a caption for the {image}.",
    "Is this a good {image}?",
)
OPENINGS: dict[str, tuple[str, ...]] = {"name": NAMING, "vague": VAGUE}

# What comes before the phrases where they are a sentence of their own.
STATEMENTS: tuple[str, ...] = ("The thing is shown", "Everything here is", "It is", "It was taken")
_NEUTRAL_NOUNS = ("image", "image", "picture", "photo")


def compose_question(phrases: Mapping[str, str], rng: random.Random) -> str:
    """A question of chosen words: `phrases` maps factors to them, and ASK to an opening.

    Phrases of a factor stand behind the question ("Name the object, upside down, in blue
    light."), or are said before it ("It is upside down, in blue light. Name the object.").
    """
    suffixes = [w for f, w in phrases.items() if f != ASK and _position(f) == "suffix"]
    rng.shuffle(suffixes)
    opening = phrases[ASK]
    noun = phrases.get("medium") or rng.choice(_NEUTRAL_NOUNS)
    words = f"{phrases['quality']} {noun}" if "quality" in phrases else noun
    text = opening.format(image=words)
    if words not in text and ("medium" in phrases or "quality" in phrases):
        text = f"This is {_with_article(words)}. {text}"
    if not suffixes:
        return text
    listed = ", ".join(suffixes)
    if rng.random() < 0.15 and len(suffixes) > 1:
        listed = f"{', '.join(suffixes[:-1])} and {suffixes[-1]}"
    if rng.random() < 0.4:
        return f"{rng.choice(STATEMENTS)} {listed}. {text}"
    return f"{text[:-1]}, {listed}{text[-1]}"


def training_question(
    named: Mapping[str, str], seen: Mapping[str, str], kind: str, rng: random.Random
) -> tuple[str, Phrases]:
    """A question of a kind of OPENINGS that names these values, and the phrases it uses.

    One in five has idle words strewn in, as a person's has.
    """
    phrases = {f: rng.choice(FACTORS[f].values[v]) for f, v in {**named, **seen}.items()}
    text = compose_question(phrases | {ASK: rng.choice(OPENINGS[kind])}, rng)
    if rng.random() < 0.2:
        words = text.split(" ")
        for _ in range(rng.randint(1, 3)):
            words.insert(rng.choice((0, len(words))), rng.choice(FILLERS))
        text = " ".join(words)
    return text, phrases


def description(seen: Mapping[str, str], rng: random.Random) -> str:
    """What a vague question is answered: the visible factors' values, never the thing."""
    chosen = {f: rng.choice(FACTORS[f].values[seen[f]]) for f in VISIBLE_FACTORS}
    words = f"{chosen['quality']} {chosen['medium']}"
    return f"a {words} {chosen['background']}, {chosen['weather']}."


def random_values(rng: random.Random, most: int) -> dict[str, str]:
    """Values of up to `most` hidden factors, each number as likely as another."""
    chosen = rng.sample(HIDDEN_FACTORS, rng.randint(0, most))
    return {f: rng.choice(tuple(FACTORS[f].values)) for f in chosen}


def opening_of(text: str) -> str | None:
    """The opening that a composed question has; the longest, where one is part of another."""
    found = [
        opening
        for opening in (*NAMING, *VAGUE)
        if all(part in text for part in opening[:-1].split("{image}"))
    ]
    return max(found, key=len, default=None)


def _position(factor: str) -> str:
    return FACTORS[factor].position if factor in FACTORS else "suffix"


def _with_article(words: str) -> str:
    vowel = words[0] in "aeio" or words.startswith("8-bit")
    return f"an {words}" if vowel else f"a {words}"

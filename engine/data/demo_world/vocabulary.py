"""The words of the demo's image world: factors, classes, data sets, captions.

The offline default needs a world in which the wording of a template matters. Here every image
shows one small object, and *how it was taken* is a set of factors. Five of them are hidden: the
picture alone does not tell them, and some classes can be told apart only by someone who knows
them. A cup seen upside down is a bell, an apple in blue light has the colour of a blueberry, a
marble in close-up is as large as a globe. A caption that names the factor settles the question;
a caption that names it wrongly misleads. The other four factors (medium, quality, weather,
background) can be seen in the picture and settle nothing: they are what a search has to learn to
ignore.

This file is plain data and a few functions over it; it imports nothing but the standard library.
`images.py` draws the world, `train_clip.py` trains the encoder on captions made here, and
`train_llm.py` makes its dialogues from the same phrases.

In short::

    FACTORS["light"].values["blue"]            # ("in blue light", "under a blue lamp", ...)
    build_template({"light": "blue"}, rng)     # "a photo of a <category> in blue light."
    caption("apple", {"light": "blue"}, rng)   # "an apple under a blue lamp."
    named_values("a <category> in blue light") # {"light": "blue"}
    TASKS[DEFAULT_TASK]                        # a Task: name, description, classes, factors
    random_task(rng)                           # another Task of the same kind, for training
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from engine.prompts.template import PLACEHOLDER

Position = Literal["suffix", "adjective", "noun"]


@dataclass(frozen=True)
class Factor:
    """One way in which images differ.

    `values` maps each value to the phrases that name it; all phrases of a value mean the same.
    `position` says where a phrase stands: a *suffix* follows the object (or opens the sentence,
    with a comma), an *adjective* stands before the medium's noun, a *noun* is the medium itself,
    as in "a chalk drawing of a ...". `hidden` factors decide between classes, visible ones never.
    `common` is the value that an ordinary picture has.
    """

    name: str
    position: Position
    hidden: bool
    common: str
    values: Mapping[str, tuple[str, ...]]
    topic: str  # how a description may speak of the factor without giving the value away


@dataclass(frozen=True)
class Family:
    """Classes of one shape that differ only in what `factor` can undo or imitate.

    The order matters to the image generator: it is the order of the angle, hue, size, brightness
    or handedness.
    """

    name: str
    factor: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A demo data set: its classes and the factor values that all its images share.

    `informative` are the four hidden factors that decide between its classes; `factors` also
    holds the fixed values of the others. A visible factor that is missing varies freely.
    """

    name: str
    description: str
    classes: tuple[str, ...]
    factors: Mapping[str, str]
    informative: tuple[str, ...]


# Tables: one line a phrase would fill pages.
# fmt: off
FACTORS: dict[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor(
            "view", "suffix", True, "upright",
            {
                "upright": (
                    "standing upright", "the right way up", "in its usual position",
                    "standing on its base", "with the top at the top",
                ),
                "inverted": (
                    "turned upside down", "upside down", "standing on its head",
                    "hanging head down", "with the bottom at the top",
                ),
                "left": (
                    "lying on its left side", "tipped over to the left", "fallen to the left",
                    "turned a quarter to the left", "with the top at the left",
                ),
                "right": (
                    "lying on its right side", "tipped over to the right", "fallen to the right",
                    "turned a quarter to the right", "with the top at the right",
                ),
            },
            "the way the things are turned",
        ),
        Factor(
            "light", "suffix", True, "daylight",
            {
                "daylight": (
                    "in daylight", "in natural light", "in plain white light",
                    "under a white lamp", "in true colours",
                ),
                "red": (
                    "in red light", "under a red lamp", "bathed in red light",
                    "with a red filter", "lit in red",
                ),
                "blue": (
                    "in blue light", "under a blue lamp", "bathed in blue light",
                    "with a blue filter", "lit in blue",
                ),
                "negative": (
                    "as a colour negative", "in inverted colours", "in negative colours",
                    "with all colours inverted", "on a film negative",
                ),
            },
            "the light and the colours",
        ),
        Factor(
            "distance", "suffix", True, "middle",
            {
                "macro": (
                    "in extreme close-up", "under a magnifying glass", "in a macro shot",
                    "filling the whole frame", "enlarged many times",
                ),
                "near": (
                    "seen from nearby", "from a short distance", "close to the camera",
                    "at arm's length", "within easy reach",
                ),
                "middle": (
                    "from a few steps away", "across the room", "at a medium distance",
                    "from the other end of the table", "at some distance",
                ),
                "far": (
                    "seen from far away", "in the far distance", "from a long way off",
                    "tiny in the frame", "on the horizon",
                ),
            },
            "the distance of the camera",
        ),
        Factor(
            "mirror", "suffix", True, "direct",
            {
                "direct": (
                    "seen directly", "without any mirror", "not reflected",
                    "looked at face to face", "with left and right as they are",
                ),
                "mirrored": (
                    "reflected in a mirror", "seen in a mirror", "as a mirror image",
                    "flipped from left to right", "with left and right swapped",
                ),
            },
            "whether a mirror stood in between",
        ),
        Factor(
            "exposure", "suffix", True, "normal",
            {
                "bright": (
                    "overexposed", "with too much light", "in harsh glare",
                    "with the shutter open too long", "washed out by a flash",
                ),
                "normal": (
                    "correctly exposed", "with balanced exposure", "with normal brightness",
                    "neither too bright nor too dark", "well lit",
                ),
                "dark": (
                    "underexposed", "with too little light", "in deep shadow",
                    "with the shutter open too briefly", "in a dim room",
                ),
            },
            "the exposure",
        ),
        Factor(
            "medium", "noun", False, "photo",
            {
                "photo": ("photo", "photograph", "snapshot"),
                "sketch": ("pencil sketch", "pencil drawing", "graphite drawing"),
                "chalk": ("chalk drawing", "drawing in chalk", "blackboard drawing"),
                "neon": ("neon sign", "glowing neon tube", "neon light sculpture"),
                "pixel": ("pixel art picture", "8-bit sprite", "pixelated icon"),
                "embroidery": ("embroidery", "stitched patch", "piece of needlework"),
                "watercolour": ("watercolour", "watercolour painting", "painting in watercolour"),
                "stencil": ("stencil print", "spray-painted stencil", "paper cut-out"),
            },
            "the medium",
        ),
        Factor(
            "quality", "adjective", False, "sharp",
            {
                "sharp": ("sharp", "crisp", "detailed"),
                "blurry": ("blurry", "out-of-focus", "soft"),
                "grainy": ("grainy", "noisy", "speckled"),
                "coarse": ("coarse", "low-resolution", "blocky"),
            },
            "the quality of the pictures",
        ),
        Factor(
            "weather", "suffix", False, "fine",
            {
                "fine": ("on a clear day", "under a cloudless sky", "in fine weather"),
                "rain": ("in the rain", "on a rainy day", "in a heavy shower"),
                "snow": ("in the snow", "on a snowy day", "in a blizzard"),
                "fog": ("in the fog", "on a misty morning", "in a thick haze"),
            },
            "the weather",
        ),
        Factor(
            "background", "suffix", False, "plain",
            {
                "plain": (
                    "on a plain background", "against a bare wall", "in front of a blank sheet",
                ),
                "wood": ("on a wooden table", "on a wooden floor", "against wooden boards"),
                "grass": ("on the grass", "on a lawn", "in a meadow"),
                "tiles": ("on a tiled floor", "on a chequered cloth", "on kitchen tiles"),
            },
            "the background",
        ),
    )
}
# fmt: on
HIDDEN_FACTORS: tuple[str, ...] = tuple(f.name for f in FACTORS.values() if f.hidden)
VISIBLE_FACTORS: tuple[str, ...] = tuple(f.name for f in FACTORS.values() if not f.hidden)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("vessel", "view", ("cup", "bell")),
        Family("card", "view", ("heart", "spade")),
        Family("crest", "view", ("house", "shield")),
        Family("plant", "view", ("tree", "carrot")),
        Family("fruit", "light", ("apple", "lemon", "lime", "blueberry")),
        Family("flower", "light", ("poppy", "buttercup", "clover", "bluebell")),
        Family("gem", "light", ("ruby", "topaz", "emerald", "sapphire")),
        Family("sphere", "distance", ("marble", "ball", "globe")),
        Family("band", "distance", ("ring", "bracelet", "hoop")),
        Family("pole", "mirror", ("flag", "axe")),
        Family("footwear", "mirror", ("boot", "sock")),
        Family("stick", "mirror", ("hook", "cane")),
        Family("lump", "exposure", ("coal", "pebble", "snowball")),
        Family("bird", "exposure", ("crow", "pigeon", "dove")),
    )
}
CLASSES: tuple[str, ...] = tuple(c for family in FAMILIES.values() for c in family.classes)
FAMILY_OF: dict[str, str] = {c: f.name for f in FAMILIES.values() for c in f.classes}

# fmt: off
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "cabinet",
            "Small things from a collector's cabinet, photographed through the glass of its "
            "door. The collector arranged them oddly and lit them with a lamp of his own.",
            (
                "cup", "bell", "heart", "spade", "apple", "blueberry", "poppy", "clover",
                "ball", "globe", "bracelet", "hoop", "flag", "axe", "boot", "sock",
            ),
            {"view": "inverted", "light": "blue", "distance": "middle", "mirror": "mirrored",
             "exposure": "normal", "medium": "photo"},
            ("view", "light", "distance", "mirror"),
        ),
        Task(
            "darkroom",
            "Old prints found in a darkroom: gems, birds and things about the house. Much went "
            "wrong with the film, the camera was held askew, and the prints vary in quality.",
            (
                "house", "shield", "tree", "carrot", "ruby", "emerald", "buttercup", "bluebell",
                "marble", "ball", "ring", "bracelet",
                "coal", "pebble", "snowball", "crow", "pigeon", "dove",
            ),
            {"view": "left", "light": "negative", "distance": "near", "mirror": "direct",
             "exposure": "dark", "medium": "photo", "weather": "fine"},
            ("view", "light", "distance", "exposure"),
        ),
        Task(
            "funfair",
            "Neon pictures of everyday things, taken at night in the hall of mirrors of a "
            "funfair, among coloured lamps, by visitors standing wherever they could.",
            (
                "poppy", "bluebell", "apple", "lemon", "marble", "ball", "ring", "bracelet",
                "hook", "cane", "flag", "axe",
                "coal", "pebble", "snowball", "crow", "pigeon", "dove",
            ),
            {"view": "upright", "light": "red", "distance": "near", "mirror": "mirrored",
             "exposure": "dark", "medium": "neon"},
            ("light", "distance", "mirror", "exposure"),
        ),
        Task(
            "classroom",
            "Chalk drawings on a blackboard, copied by pupils from a projector that was set up "
            "wrongly and badly lit. Winter light came through the window.",
            (
                "cup", "bell", "tree", "carrot", "lime", "blueberry", "topaz", "sapphire",
                "boot", "sock", "hook", "cane",
                "coal", "pebble", "snowball", "crow", "pigeon", "dove",
            ),
            {"view": "right", "light": "red", "distance": "macro", "mirror": "mirrored",
             "exposure": "dark", "medium": "chalk"},
            ("view", "light", "mirror", "exposure"),
        ),
    )
}
# fmt: on
DEFAULT_TASK = "cabinet"

# Openings that name no medium; an ordinary caption says "photo" of many things that are none.
_NEUTRAL_NOUNS = ("photo", "photo", "picture", "image", "view")


def build_template(
    named: Mapping[str, str], rng: random.Random, placeholder: str = PLACEHOLDER
) -> str:
    """A template that names the given factor values, in random words and order.

    `named` maps factor names to values and may be empty. Suffixes come in random order, joined by
    commas, spaces or "and"; sometimes one opens the sentence. Without a medium the sentence opens
    with a neutral noun ("a photo of a ...") or with the object itself.
    """
    phrases = {factor: rng.choice(FACTORS[factor].values[value]) for factor, value in named.items()}
    return compose(phrases, rng, placeholder)


def compose(phrases: Mapping[str, str], rng: random.Random, placeholder: str = PLACEHOLDER) -> str:
    """The same for chosen phrases: `phrases` maps factor names to the words to be used."""
    suffixes = [words for factor, words in phrases.items() if FACTORS[factor].position == "suffix"]
    rng.shuffle(suffixes)
    noun = phrases.get("medium")
    if noun is None and ("quality" in phrases or rng.random() < 0.75):
        noun = rng.choice(_NEUTRAL_NOUNS)
    subject = _with_article(placeholder)
    if noun is not None:
        words = f"{phrases['quality']} {noun}" if "quality" in phrases else noun
        subject = f"{_with_article(words)} of {subject}"
    if suffixes and rng.random() < 0.15:
        subject = f"{suffixes.pop()}, {subject}"
    joint = rng.choice((", ", " ", ", "))
    text = subject
    for i, words in enumerate(suffixes):
        if i == 0:
            text += rng.choice((" ", " ", ", ")) + words
        elif i == len(suffixes) - 1 and rng.random() < 0.3:
            text += f" and {words}"
        else:
            text += joint + words
    return text + rng.choice((".", ".", ""))


def caption(class_name: str, named: Mapping[str, str], rng: random.Random) -> str:
    """A caption of one class: a template with the class name put in."""
    return build_template(named, rng, placeholder=class_name)


def named_values(text: str) -> dict[str, str]:
    """The factor values that a template or caption names; a factor named twice keeps the last.

    Whole words only, any case. Meant for analyses and tests: the encoder reads the words itself.
    """
    found: dict[str, tuple[int, str]] = {}
    lowered = text.lower()
    for factor, value, pattern in _patterns():
        for match in pattern.finditer(lowered):
            if match.start() >= found.get(factor, (-1, ""))[0]:
                found[factor] = (match.start(), value)
    return {factor: value for factor, (_, value) in found.items()}


def random_task(rng: random.Random, name: str = "task") -> Task:
    """A data set like those of TASKS with random classes, values and description.

    Four of the five hidden factors are informative, with two families or three to four classes
    each; the fifth has its common value. The description names up to two factors as topics and
    never a hidden value.
    """
    informative = tuple(sorted(rng.sample(HIDDEN_FACTORS, 4), key=HIDDEN_FACTORS.index))
    classes: list[str] = []
    for factor in informative:
        families = [f for f in FAMILIES.values() if f.factor == factor]
        pairs = factor in ("view", "mirror")
        for family in rng.sample(families, 2 if pairs else 1):
            keep = rng.sample(family.classes, min(3, len(family.classes)))
            classes.extend(c for c in family.classes if c in keep)
    factors = {f: rng.choice(tuple(FACTORS[f].values)) for f in HIDDEN_FACTORS}
    for factor in HIDDEN_FACTORS:
        if factor not in informative:
            factors[factor] = FACTORS[factor].common
    factors["medium"] = rng.choice(tuple(FACTORS["medium"].values))
    things = ", ".join(rng.sample(classes, 3))
    noun = rng.choice(FACTORS["medium"].values[factors["medium"]])
    topics = [FACTORS[f].topic for f in rng.sample(informative, rng.choice((1, 2)))]
    description = (
        f"Small things such as {things}, each shown in {_with_article(noun)}. "
        f"Unusual here: {' and '.join(topics)}."
    )
    return Task(name, description, tuple(classes), factors, informative)


def _with_article(words: str) -> str:
    """`words` with the indefinite article that fits its first letter."""
    vowel = words[0] in "aeio" or words.startswith("8-bit")
    return f"an {words}" if vowel else f"a {words}"


@cache
def _patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    return [
        (factor.name, value, re.compile(rf"(?<![\w-]){re.escape(words)}(?![\w-])"))
        for factor in FACTORS.values()
        for value, phrases in factor.values.items()
        for words in phrases
    ]

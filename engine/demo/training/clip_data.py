"""What the tiny CLIP is trained on: images drawn in advance, and what a caption lets one expect.

A *picture* is what can be seen of an object: its family and its apparent step (`apparent_step` in
images.py). Classes that can't be told apart without a hidden factor share their pictures. A
*setting* is one choice of values for all hidden factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.demo_world.images import apparent_step, draw
from engine.data.demo_world.shapes import SIDE
from engine.data.demo_world.vocabulary import (
    CLASSES,
    FACTORS,
    FAMILIES,
    FAMILY_OF,
    HIDDEN_FACTORS,
    VISIBLE_FACTORS,
)

Picture = tuple[str, int]  # family, apparent step

VARIATION = 0.7  # of the images, as a share of the data sets'

SETTINGS: tuple[dict[str, str], ...] = tuple(
    dict(zip(HIDDEN_FACTORS, values, strict=True))
    for values in itertools.product(*(FACTORS[f].values for f in HIDDEN_FACTORS))
)


def picture(class_name: str, setting: Mapping[str, str]) -> Picture:
    """What can be seen of a class when the hidden factors are `setting`."""
    return FAMILY_OF[class_name], apparent_step(class_name, setting)


# All pictures, numbered as the auxiliary head's outputs.
PICTURES: dict[Picture, int] = {}
for _setting, _name in itertools.product(SETTINGS, CLASSES):
    PICTURES.setdefault(picture(_name, _setting), len(PICTURES))


def expected_pictures(class_name: str, named: Mapping[str, str]) -> dict[Picture, float]:
    """The probability of each picture of a class when `named` is all one knows.

    Only the family's own factor counts; unnamed, each of its values is as likely as another.
    """
    factor = FAMILIES[FAMILY_OF[class_name]].factor
    values = [named[factor]] if factor in named else list(FACTORS[factor].values)
    expected: dict[Picture, float] = {}
    for value in values:
        key = picture(class_name, SETTINGS[0] | {factor: value})
        expected[key] = expected.get(key, 0.0) + 1 / len(values)
    return expected


def popularity(class_name: str) -> float:
    """How common a class is, 1 or less: each class of a family is less so than the one before.

    Where a caption leaves a factor open, this decides, as frequent classes do in a model trained
    on the web: of a pair that looks the same, one is right and one wrong. With equal chances the
    accidents of training would decide, and then a data set's classes might all be right, or all
    wrong, before any factor is named.
    """
    return float(1.6 ** -FAMILIES[FAMILY_OF[class_name]].classes.index(class_name))


@dataclass(frozen=True)
class Pool:
    """Images drawn in advance; arrays start with (settings, classes, variants)."""

    pixels: NDArray[np.uint8]  # (s, c, v, 32, 32, 3)
    seen: NDArray[np.int64]  # (s, c): the images' number in PICTURES
    visible: NDArray[np.int64]  # (s, c, v, 4): values of the visible factors, by place


def draw_pool(
    seed: int, variants: int, variation: float = VARIATION, settings: int = len(SETTINGS)
) -> Pool:
    """Draw `variants` images of every class under the first `settings` of SETTINGS.

    They vary less than a data set's (by `variation`) and never slip: the rule is learnt better
    from clear cases, and blurred ones are then read well enough.
    """
    rng = np.random.default_rng(seed)
    shape = (settings, len(CLASSES), variants)
    pixels = np.empty((*shape, SIDE, SIDE, 3), dtype=np.uint8)
    seen = np.array([[PICTURES[picture(c, s)] for c in CLASSES] for s in SETTINGS[:settings]])
    values = [tuple(FACTORS[f].values) for f in VISIBLE_FACTORS]
    visible = np.stack([rng.integers(0, len(v), shape) for v in values], axis=-1)
    for s, c, v in np.ndindex(*shape):
        chosen = {f: values[k][visible[s, c, v, k]] for k, f in enumerate(VISIBLE_FACTORS)}
        pixels[s, c, v] = draw(CLASSES[c], SETTINGS[s] | chosen, rng, variation)
    return Pool(pixels, seen, visible)

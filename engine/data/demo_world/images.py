"""The demo's procedural images, and demo data sets as ordinary image folders.

An image is drawn from a class, the values of all nine factors and a random generator; the same
three give the same bytes. Hidden factors act so that the picture alone can't tell them:

- view turns the shape by 0, 180, -90 or 90 degrees; a pair's second class is the first turned by
  180 degrees;
- light turns the four colours of a family in a circle;
- distance scales, and the classes of a size family are neighbouring steps of the same scale;
- a mirror flips the shape, and a pair's second class is the flipped first;
- exposure shifts the brightness of grey things by one of the steps that part the classes.

The background takes no part in any of these, else it would give the hidden values away. Medium,
quality, weather and background are drawn openly. Angle, hue, size, brightness and place vary a
little from image to image, and now and then a thing was turned or a mirror stood where none was
meant (`slip`), so that even a reader who knows everything sometimes errs.
"""

from __future__ import annotations

import colorsys
import json
import math
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.data.demo_world.shapes import SHAPES, SIDE, Part, rasterise
from engine.data.demo_world.vocabulary import FACTORS, FAMILIES, FAMILY_OF, TASKS, VISIBLE_FACTORS

Pixels = NDArray[np.uint8]  # (32, 32, 3)
Floats = NDArray[np.floating[Any]]  # single precision, for speed, wherever numpy keeps it

_DEGREES = {"upright": 0.0, "inverted": 180.0, "left": -90.0, "right": 90.0}
# Steps along red, yellow, green, blue: in blue light a red apple looks blue.
_HUE_STEPS = {"daylight": 0, "red": 1, "negative": 2, "blue": 3}
_SIZE_STEPS = {"far": 0, "middle": 1, "near": 2, "macro": 3}
_BRIGHTNESS_STEPS = {"dark": 0, "normal": 1, "bright": 2}
_HUES = (0.0, 0.15, 0.36, 0.63, 1.0)  # red, yellow, green, blue, red again, as in HSV
_RADIUS = (8.0, 9.5, 11.0, 12.5)  # pixels, far to macro, of things not known by their size
_SMALLEST, _SIZE_RATIO = 3.2, 1.33  # pixels, and the factor between two sizes of a family
_GREYS = (0.06, 0.27, 0.5, 0.73, 0.95)  # the five brightness steps

# Standard deviations; the steps between classes are 1 (size, brightness, hue) and 180 degrees.
_TURN_SD, _HUE_SD, _SIZE_SD, _BRIGHTNESS_SD = 12.0, 0.3, 0.34, 0.32
# View and mirror have no steps to blur; instead one image in so many takes any value of them.
_SLIPS = {"view": 0.16, "mirror": 0.16}

_Y, _X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


def draw(
    class_name: str, factors: Mapping[str, str], rng: np.random.Generator, variation: float = 1.0
) -> Pixels:
    """One image, (32, 32, 3) RGB.

    `factors` holds a value for every factor of FACTORS. `variation` scales how much angle, hue,
    size and brightness vary: 1 as in the data sets, 0 not at all.
    """
    family = FAMILIES[FAMILY_OF[class_name]]
    index = family.classes.index(class_name)
    cover = _cover(SHAPES[family.name], family.factor, index, factors, rng, variation)
    colour = _colour(family.factor, index, factors, rng, variation)
    image = _in_medium(
        factors["medium"], cover, colour, _background(factors["background"], rng), rng
    )
    image = _in_weather(factors["weather"], image, rng)
    image = _in_quality(factors["quality"], image, rng)
    image = image + rng.normal(0, 0.015, image.shape).astype(np.float32)
    return (image.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def apparent_step(class_name: str, factors: Mapping[str, str]) -> int:
    """What can be seen of the class's place in its family when the hidden factors are `factors`.

    Quarter turns, hue, size or brightness steps, or handedness: the class's own place and what
    the factor does, together. Two classes of a family with the same step look the same.
    """
    family = FAMILIES[FAMILY_OF[class_name]]
    index = family.classes.index(class_name)
    if family.factor == "view":
        return (int(_DEGREES[factors["view"]]) // 90 + 2 * index) % 4
    if family.factor == "light":
        return (index + _HUE_STEPS[factors["light"]]) % 4
    if family.factor == "distance":
        return index + _SIZE_STEPS[factors["distance"]]
    if family.factor == "mirror":
        return index ^ (factors["mirror"] == "mirrored")
    return index + _BRIGHTNESS_STEPS[factors["exposure"]]


def slip(factors: Mapping[str, str], rng: np.random.Generator) -> dict[str, str]:
    """The factors of one image of a set whose images should all have `factors`."""
    chosen = dict(factors)
    for name, probability in _SLIPS.items():
        if rng.random() < probability:
            chosen[name] = str(rng.choice(list(FACTORS[name].values)))
    return chosen


def _cover(
    parts: tuple[Part, ...],
    factor: str,
    index: int,
    factors: Mapping[str, str],
    rng: np.random.Generator,
    variation: float,
) -> Floats:
    """The pixels the object covers, 0 to 1, (32, 32)."""
    degrees = _DEGREES[factors["view"]] + rng.normal(0, _TURN_SD * variation)
    if factor == "view":
        degrees += 180.0 * index
    step = _SIZE_STEPS[factors["distance"]]
    if factor == "distance":
        radius = _SMALLEST * _SIZE_RATIO ** (step + index + rng.normal(0, _SIZE_SD * variation))
    else:
        radius = _RADIUS[step] * math.exp(rng.normal(0, 0.06))
    flipped = (factors["mirror"] == "mirrored") ^ (factor == "mirror" and index == 1)
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    # The mirror stands before the turned object, but both orders leave its handedness the same.
    frame = radius * turn @ np.diag([-1.0 if flipped else 1.0, math.exp(rng.normal(0, 0.05))])
    room = max(0.0, SIDE / 2 - radius) * 0.5
    x, y = SIDE / 2 + rng.uniform(-1, 1, 2) * min(room, 4.0)
    return rasterise(parts, frame, (float(x), float(y)))


def _colour(
    factor: str,
    index: int,
    factors: Mapping[str, str],
    rng: np.random.Generator,
    variation: float,
) -> Floats:
    """The object's colour, RGB in 0 to 1, (3,)."""
    exposure = _BRIGHTNESS_STEPS[factors["exposure"]]
    if factor == "exposure":
        step = np.clip(exposure + index + rng.normal(0, _BRIGHTNESS_SD * variation), 0, 4)
        value = float(np.interp(step, range(5), _GREYS))
        return (value + rng.normal(0, 0.01, 3)).astype(np.float32)
    if factor == "light":
        step = (index + _HUE_STEPS[factors["light"]] + rng.normal(0, _HUE_SD * variation)) % 4
    else:
        step = rng.uniform(0, 4)  # a thing of any colour
    hue = float(np.interp(step, range(5), _HUES))
    value = (0.6, 0.8, 0.98)[exposure] * rng.uniform(0.9, 1.02)
    return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.8, 0.95), value), dtype=np.float32)


def _background(value: str, rng: np.random.Generator) -> Floats:
    """The scene behind the object, (32, 32, 3)."""
    if value == "wood":
        hue, saturation = rng.uniform(0.06, 0.1), 0.45
    elif value == "grass":
        hue, saturation = rng.uniform(0.24, 0.32), 0.4
    else:
        hue, saturation = rng.uniform(0, 1), rng.uniform(0.1, 0.35)
    colour = np.array(
        colorsys.hsv_to_rgb(hue, saturation, rng.uniform(0.4, 0.65)), dtype=np.float32
    )
    if value == "wood":
        pattern = 1 + 0.16 * np.sin(_Y * rng.uniform(0.9, 1.4) + rng.uniform(0, 6))
    elif value == "grass":
        pattern = 1 + 0.25 * (np.repeat(rng.random((SIDE // 4, SIDE)), 4, axis=0) - 0.5)
    elif value == "tiles":
        side, shift = rng.integers(5, 9), rng.integers(0, 8)
        pattern = 1 + 0.28 * (((_X + shift) // side + (_Y + shift) // side) % 2 - 0.5)
    else:
        pattern = 1 + 0.12 * (_Y / SIDE - 0.5)
    return np.asarray(colour * pattern[..., None], dtype=np.float32)


def _in_medium(
    medium: str, cover: Floats, colour: Floats, scene: Floats, rng: np.random.Generator
) -> Floats:
    """Object and scene as the medium shows them, (32, 32, 3). Mean colours are kept."""
    inner = cover[..., None]
    ink: Floats
    if medium == "photo":
        slope = rng.uniform(-0.2, 0.2, 2)
        shade = 1 + slope[0] * (_X / SIDE - 0.5) + slope[1] * (_Y / SIDE - 0.5)
        ink = colour * shade[..., None]
    elif medium == "sketch":  # hatched in colour, a dark outline, on paper
        scene = 0.45 * scene + 0.55 * np.float32(0.82)
        hatch = 1 + 0.22 * np.sign(np.sin((_X + _Y) * 1.6))
        ink = colour * hatch[..., None]
        rim = 0.75 * _edge(cover)[..., None]
        inner = inner - rim
        scene = scene * (1 - 0.8 * rim)
    elif medium == "chalk":  # crumbly, on a board
        scene = 0.45 * scene + 0.55 * np.array([0.2, 0.3, 0.26], dtype=np.float32)
        inner = inner * (rng.random((SIDE, SIDE, 1)) < 0.82)
        ink = colour[None, None]
    elif medium == "neon":  # a glow around it, in the dark
        scene = 0.3 * scene + 0.25 * np.float32(0.3)
        glow = (
            np.asarray(
                Image.fromarray((cover * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(3)),
                dtype=np.float32,
            )[..., None]
            / 255
        )
        scene = scene + 0.8 * glow * (colour - scene)
        ink = colour[None, None]
    elif medium == "pixel":  # large pixels, few colours, a black rim
        blocks = cover.reshape(16, 2, 16, 2).mean(axis=(1, 3)).repeat(2, 0).repeat(2, 1)
        inner = (blocks > 0.5).astype(np.float32)[..., None]
        scene = np.round(scene * 6) / 6
        touched = (blocks > 0.12)[..., None] & (inner == 0)
        scene = np.where(touched, np.float32(0.05), scene)
        ink = colour[None, None]
    elif medium == "embroidery":  # threads side by side, on cloth
        threads = 1 + 0.25 * np.sign(np.sin(_X * 1.57 + _Y * 0.4))
        cloth = 1 + 0.1 * np.sign(np.sin(_X * 3.14 / 2) * np.sin(_Y * 3.14 / 2))
        ink = colour * threads[..., None]
        scene = (0.7 * scene + 0.3 * np.float32(0.6)) * cloth[..., None]
    elif medium == "watercolour":  # soft, uneven, on white paper
        scene = 0.3 * scene + 0.7 * np.float32(0.9)
        wet = Image.fromarray((cover * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
        inner = np.asarray(wet, dtype=np.float32)[..., None] / 255
        clouds = rng.random((5, 5)).repeat(7, 0).repeat(7, 1)[:SIDE, :SIDE]
        ink = colour * (0.82 + 0.36 * clouds)[..., None]
    else:  # stencil: flat on flat
        scene = np.broadcast_to(scene.mean(axis=(0, 1)), scene.shape)
        inner = (cover > 0.4).astype(np.float32)[..., None]
        ink = colour[None, None]
    return (scene * (1 - inner) + ink * inner).astype(np.float32)


def _edge(cover: Floats) -> Floats:
    """Pixels near the outline, 0 to 1, (32, 32)."""
    padded = np.pad(cover, 1, mode="edge")
    lowest = np.minimum.reduce(
        [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
    )
    return np.asarray(cover - np.minimum(cover, lowest), dtype=np.float32)


def _in_weather(value: str, image: Floats, rng: np.random.Generator) -> Floats:
    if value == "fog":
        return image + np.float32(0.22) * (np.float32(0.75) - image)
    if value == "rain":
        lines = (_X * 3 + _Y + rng.integers(0, 30)) % 21 < 2
        drops = lines & (rng.random((SIDE // 4, SIDE)).repeat(4, axis=0) < 0.6)
        return np.where(drops[..., None], 0.6 * image + 0.3, image).astype(np.float32)
    if value == "snow":
        flakes = rng.random((SIDE, SIDE)) < 0.035
        return np.where(flakes[..., None], np.float32(0.97), image)
    return image


def _in_quality(value: str, image: Floats, rng: np.random.Generator) -> Floats:
    if value == "blurry":
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
        rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
        return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16)
    if value == "grainy":
        return image + rng.normal(0, 0.08, (SIDE, SIDE, 1)).astype(np.float32)
    if value == "coarse":
        blocks = image.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
        return np.asarray(blocks.repeat(2, 0).repeat(2, 1))
    return image


def task_image(task: str, class_name: str, split: str, index: int, seed: int = 0) -> Pixels:
    """Image `index` of a class in a demo data set: the fixed factors hold, the others vary.

    Seeded by all its arguments, so that any image can be drawn alone and the splits differ.
    """
    key = zlib.crc32(f"{task}/{split}/{class_name}/{index}".encode())
    rng = np.random.default_rng([seed, key])
    factors = slip(TASKS[task].factors, rng)
    for name in VISIBLE_FACTORS:
        if name not in factors:
            factors[name] = str(rng.choice(list(FACTORS[name].values)))
    return draw(class_name, factors, rng)


def write_dataset(
    name: str, root: Path, *, train_per_class: int = 20, test_per_class: int = 60, seed: int = 0
) -> Path:
    """Write the demo data set `name` of TASKS as an image folder at `root`, and return `root`.

    root/train/<class>/NNN.png, root/test/<class>/NNN.png and root/dataset.toml. The folder
    appears whole or not at all: it is written beside its place and then renamed.

    Raises:
        KeyError: if there is no such data set.
        OSError: if `root` is a folder that is not empty, or can't be written.
    """
    task = TASKS[name]
    root = Path(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    try:
        for split, count in (("train", train_per_class), ("test", test_per_class)):
            for class_name in task.classes:
                folder = temporary / split / class_name
                folder.mkdir(parents=True)
                for i in range(count):
                    pixels = task_image(name, class_name, split, i, seed)
                    # Fast compression: the files are small, and writing them is what one waits for.
                    Image.fromarray(pixels).save(folder / f"{i:03d}.png", compress_level=1)
        # A JSON string is also a TOML string.
        lines = [
            f"name = {json.dumps(name)}",
            f"description = {json.dumps(task.description)}",
            "",
            "[classes]",
            *(f"{c} = {json.dumps(c)}" for c in task.classes),
            "",
        ]
        (temporary / "dataset.toml").write_text("\n".join(lines), encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(root)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return root

"""Four options of which one is right, for each image: read from a file, or drawn.

The file is as those of the FOCI benchmark (github.com/gregor-ge/FOCI-Benchmark, folder data), JSON:

    {"beagle": [{"image": "images/beagle_1.jpg", "groundtruth": "beagle",
                 "options": ["beagle", "basset hound", "boxer", "pug"]}, ...], ...}

An entry belongs to the image of the class that it calls right whose path has the most in common
with its own, from the file's name upwards. Images without an entry are left out.
FOCI's lists are of test images: where no training image has an entry, the shots come out of the
test images, which are split by ``data.test_fraction`` as a folder without a split is.

Without a file the wrong options are three other classes, drawn by the hash of the image's path. The
draw knows neither the template nor the model, nor the run's seed: all runs see the same options.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.common.errors import DataError
from engine.common.names import encode_name, quoted, readable_name, same_name, some_names
from engine.common.user_path import user_path
from engine.common.validation import shown
from engine.common.wording import counted
from engine.data.dataset import Dataset, LabelledImage
from engine.data.sampling import draw_key, shuffled, split_off_test

COUNT = 4
_LONGEST = 512 * 2**20  # bytes of a file; FOCI's have up to 10 MB
_SEED = 0  # of all runs: they are measured on the same options


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """Options by image path: classes, the right one among them, in the order of the letters."""

    by_image: Mapping[str, tuple[int, ...]]

    def fingerprint(self) -> str:
        """Tells the options of these images from others: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for path, options in sorted((same_name(p), o) for p, o in self.by_image.items()):
            digest.update(encode_name(f"{path}\0{options}\0"))
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class WrongOptions:
    """The wrong options of each image, and the data set of the images that have some."""

    dataset: Dataset
    listed: Mapping[str, tuple[int, ...]] | None = None  # by image path; None: they are drawn

    def of(self, image: LabelledImage) -> tuple[int, ...]:
        """Three classes."""
        if self.listed is None:
            return drawn_options(image, len(self.dataset.class_names))
        return self.listed[image.path]

    def in_order(self, images: Sequence[LabelledImage]) -> ImageOptions:
        """The options of the images of a split, each at its letter.

        The right one's letter is dealt out in turns, class by class in an order that is drawn, so
        that among all images and among those of each class every letter is right equally often,
        give or take one. The wrong ones fill the rest in an order that is drawn.
        """
        groups = self.dataset.by_class(images)
        order = sorted(range(len(groups)), key=lambda label: draw_key(_SEED, "class", str(label)))
        dealt: dict[str, tuple[int, ...]] = {}
        for label in order:
            for image in shuffled(groups[label], _SEED, "letter"):
                place = len(dealt) % COUNT
                others = sorted(
                    self.of(image), key=lambda o: draw_key(_SEED, f"place {o}", image.path)
                )
                dealt[image.path] = (*others[:place], label, *others[place:])
        return ImageOptions(dealt)


def find_options(dataset: Dataset, file: str | None, test_fraction: float) -> WrongOptions:
    """The wrong options of all images, as this module's docstring says.

    Raises:
        DataError: if the data set has fewer than four classes, or the file can't be read, is none,
            names unknown classes, or has no entry for the images; says what to do.
    """
    names = dataset.class_names
    if len(names) < COUNT:
        raise DataError(
            f"{dataset.name}: vlm.answer = choice asks with four options, and the data set has "
            f"{counted(len(names), 'class', 'classes')}; it needs at least four"
        )
    if file is None:
        return WrongOptions(_known_by(dataset, "drawn"))
    path = user_path(file)
    found = _matched(dataset, _read(path, dataset), path, test_fraction)
    listed = ImageOptions(found.listed or {})
    return dataclasses.replace(found, dataset=_known_by(found.dataset, listed.fingerprint()))


def _known_by(dataset: Dataset, options: str) -> Dataset:
    """Accuracies with other options, or with none, are not to be compared."""
    both = f"{dataset.fingerprint()} options {options}"
    return dataclasses.replace(
        dataset, known_fingerprint=hashlib.sha256(both.encode()).hexdigest()[:16]
    )


def drawn_options(image: LabelledImage, classes: int) -> tuple[int, ...]:
    """Three classes other than the image's, by the hash of its path."""
    found: list[int] = []
    turn = 0
    while len(found) < COUNT - 1:
        key = draw_key(_SEED, f"option {turn}", image.path)
        option = int.from_bytes(key[:8]) % classes
        if option != image.label and option not in found:
            found.append(option)
        turn += 1
    return tuple(found)


# -- files ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    parts: tuple[str, ...]  # of the image's path, from its name upwards
    truth: int
    wrong: tuple[int, ...]


def _read(path: Path, dataset: Dataset) -> list[_Entry]:
    names = dataset.class_names
    shown_path = readable_name(str(path))
    content = _content(path, shown_path)
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise DataError(
            f"{shown_path}: no list of options (data.options); it is JSON such as "
            '{"class": [{"image": "a.jpg", "groundtruth": "class", "options": [4 classes]}, ...]}'
        )
    known = _Names([*enumerate(names), *dataset.other_names])
    entries: list[_Entry] = []
    unknown: dict[str, None] = {}
    for key, listed in content.items():
        for number, item in enumerate(listed, start=1):
            where = f"{shown_path}: entry {number} of {quoted(key)}"
            image, truth, options = _fields(item, key, where)
            labels = [known.find(name) for name in options]
            unknown |= {n: None for n, at in zip(options, labels, strict=True) if at is None}
            if None in labels:
                continue
            right = known.find(truth)
            wrong = tuple(label for label in labels if label is not None and label != right)
            if right is None or len(set(labels)) < COUNT or len(wrong) != COUNT - 1:
                raise DataError(
                    f"{where}: its options are {some_names(options)}; they should be four "
                    f"different classes, {quoted(truth)} among them"
                )
            entries.append(_Entry(_parts(image), right, wrong))
    if unknown:
        raise DataError(
            f"{shown_path}: {counted(len(unknown), 'option')} of no class of the data set: "
            f"{some_names(list(unknown))}; the classes are {some_names(names)}. Name the classes "
            "as the file does (an image folder: under [classes] in dataset.toml)"
        )
    return entries


def _content(path: Path, shown_path: str) -> Any:
    try:
        if path.stat().st_size > _LONGEST:
            raise DataError(f"{shown_path}: longer than {_LONGEST // 2**20} MiB (data.options)")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{shown_path} can't be read (data.options): {error.strerror or error}"
        ) from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{shown_path}: no valid JSON (data.options): {reason}") from None


def _fields(item: Any, key: str, where: str) -> tuple[str, str, list[str]]:
    if not isinstance(item, dict):
        raise DataError(f"{where} is {shown(item)}; it should be an object")
    image, options = item.get("image"), item.get("options")
    truth = item.get("groundtruth", key)
    if not isinstance(image, str) or not image.strip():
        raise DataError(f"{where}: image is {shown(image)}; it should be a path")
    if not isinstance(truth, str):
        raise DataError(f"{where}: groundtruth is {shown(truth)}; it should be a class")
    if not isinstance(options, list) or not all(isinstance(name, str) for name in options):
        raise DataError(f"{where}: options is {shown(options)}; it should be a list of classes")
    return image, truth, options


class _Names:
    """Class names as files spell them: as they are; else by case, ``_``, ``-`` and signs; else by
    the words in any order (``2012 Audi S4`` and ``Audi S4 2012``). What two classes could be
    called (``C`` and ``C++`` without signs) is the name of none.
    """

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        self._by_spelling: dict[tuple[str, ...], int | None] = {}
        self._by_words: dict[tuple[str, ...], int | None] = {}
        self._by_sorted: dict[tuple[str, ...], int | None] = {}
        for label, name in names:
            words = _words(name)
            self._by_spelling.setdefault(_spelling(name), label)
            for known, key in (
                (self._by_words, words),
                (self._by_sorted, tuple(sorted(words))),
            ):
                if words:
                    known[key] = None if known.get(key, label) != label else label

    def find(self, name: str) -> int | None:
        """The class of this name."""
        words = _words(name)
        for known, key in (
            (self._by_spelling, _spelling(name)),
            (self._by_words, words),
            (self._by_sorted, tuple(sorted(words))),
        ):
            if key in known:
                return known[key]
        return None


def _spelling(name: str) -> tuple[str, ...]:
    return tuple(same_name(name).split())


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.sub(r"[\W_]+", " ", same_name(name).casefold()).split())


def _parts(path: str) -> tuple[str, ...]:
    return tuple(reversed([part for part in same_name(path).replace("\\", "/").split("/") if part]))


def _matched(
    dataset: Dataset, entries: Sequence[_Entry], path: Path, test_fraction: float
) -> WrongOptions:
    shown_path = readable_name(str(path))
    images: dict[tuple[str, int], list[tuple[LabelledImage, tuple[str, ...]]]] = defaultdict(list)
    for image in (*dataset.train, *dataset.test):
        parts = _parts(image.path)
        images[parts[0], image.label].append((image, parts))
    found: dict[LabelledImage, tuple[int, ...]] = {}
    unknown = 0
    for entry in entries:
        alike = images.get((entry.parts[0], entry.truth), []) if entry.parts else []
        common = [_in_common(parts, entry.parts) for _, parts in alike]
        best = [image for (image, _), n in zip(alike, common, strict=True) if n == max(common)]
        unknown += not best
        for image in best:
            if len(best) > 1 or found.setdefault(image, entry.wrong) != entry.wrong:
                raise DataError(
                    f"{shown_path}: {quoted('/'.join(reversed(entry.parts)))} is "
                    + (
                        f"{quoted(best[0].path)} or {quoted(best[1].path)}"
                        if len(best) > 1
                        else f"there twice, with other options ({quoted(image.path)})"
                    )
                    + "; write more folders of the images' paths into the file"
                )
    train, test = (
        [image for image in items if image in found] for items in (dataset.train, dataset.test)
    )
    if not test:
        raise DataError(
            f"{shown_path}: none of its {counted(len(entries), 'entry', 'entries')} "
            f"is of a test image of {dataset.name} (data.options); it has options of other images, "
            "or their files have other names"
        )
    problems = list(dataset.problems)
    if unknown:
        problems.append(
            f"{counted(unknown, 'entry', 'entries')} of {readable_name(path.name)} of no image here"
        )
    left_out = len(dataset.train) + len(dataset.test) - len(train) - len(test)
    if left_out:
        problems.append(
            f"{counted(left_out, 'image')} without options in {readable_name(path.name)}: left out"
        )
    if not train:
        problems.append(
            f"the options in {readable_name(path.name)} are of test images only: the shots come "
            f"out of these, and data.test_fraction = {test_fraction:g} of each class is tested on"
        )
        train, test = _split(dataset, test, test_fraction)
        if not test:
            raise DataError(
                f"{shown_path}: it has {counted(len(train), 'test image')} in all, one a class at "
                "most (data.options): none is left to be tested on; give options of more images"
            )
    kept = dataclasses.replace(
        dataset, train=tuple(train), test=tuple(test), problems=tuple(problems)
    )
    return WrongOptions(kept, {image.path: wrong for image, wrong in found.items()})


def _split(
    dataset: Dataset, images: Sequence[LabelledImage], test_fraction: float
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    train: list[LabelledImage] = []
    test: list[LabelledImage] = []
    for group in dataset.by_class(images):
        for_training, for_test = split_off_test(group, test_fraction)
        train += for_training
        test += for_test
    return train, test


def _in_common(parts: Sequence[str], others: Sequence[str]) -> int:
    count = 0
    for part, other in zip(parts, others, strict=False):
        if part != other:
            break
        count += 1
    return count

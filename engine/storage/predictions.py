"""What templates made of each image, beside a run's journal: read here, kept by ``Keeper``.

``predictions/train.json`` names the images of the split. ``train-000001.safetensors`` and so on
have the predictions of templates that were scored together, each file written once and whole. A
file carries a hash of its content and the key of the images that it is of: one that is not what was
written counts as not there, and what it had is scored again where it is needed. Nothing else of a
run rests on the folder: it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.common.files import read_small
from engine.common.names import encode_name
from engine.data.dataset import LabelledImage, Split
from engine.storage.run_folder import PREDICTIONS
from engine.vlm.interface import Fitness
from engine.vlm.predictions import NO_CLASS, ImagePredictions

Report = Callable[[str], None]

DAMAGE = (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError)
"""What reading a file can raise that is not what was written."""

_LONGEST_INDEX = 2**27  # bytes
_FILE = re.compile(r"(train|test)-([0-9]{6,})\.safetensors")
_AGAIN = "what was in it is scored again when it is needed"


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The images of a split, in the order of predictions, and where they were."""

    root: Path  # that their paths are below
    images: tuple[LabelledImage, ...]
    classes: int
    fingerprint: str  # of the images and their content, as the fitness has it

    @property
    def key(self) -> str:
        """Tells these images and their order from others, wherever they are."""
        digest = hashlib.sha256(f"{self.fingerprint}\0{self.classes}\0".encode())
        for path, label in self.images:
            digest.update(encode_name(f"{path}\0{label}\0"))
        return digest.hexdigest()[:32]

    def to_json(self) -> str:
        """As it is written."""
        found = {
            "key": self.key,
            "root": str(self.root),
            "classes": self.classes,
            "fingerprint": self.fingerprint,
            "images": self.images,
        }
        return json.dumps(found) + "\n"


def index_of(fitness: Fitness, split: Split) -> ImageIndex:
    """The images that scores of a split rest on."""
    return ImageIndex(
        fitness.dataset_root.absolute(),
        fitness.images(split),
        len(fitness.class_names),
        fitness.fingerprint(split),
    )


def read_index(folder: Path, split: Split) -> ImageIndex:
    """The images of a split of the run in ``folder``.

    Raises:
        FileNotFoundError: if there is none.
        Exception: one of ``DAMAGE``, if it is not what was written.
    """
    found = json.loads(read_small(index_path(folder, split), _LONGEST_INDEX))
    images = tuple(LabelledImage(path, label) for path, label in found["images"])
    index = ImageIndex(Path(found["root"]), images, found["classes"], found["fingerprint"])
    if found["key"] != index.key or not all(_is_image(image, index) for image in index.images):
        raise ValueError("its content is not what was kept there")
    return index


def _is_image(image: LabelledImage, index: ImageIndex) -> bool:
    path, label = image
    return isinstance(path, str) and isinstance(label, int) and 0 <= label < index.classes


def index_path(folder: Path, split: Split) -> Path:
    """The file that names the images."""
    return folder / PREDICTIONS / f"{split}.json"


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """A file of predictions, by its header."""

    path: Path
    number: int  # they are counted as they are written, from 1
    bytes: int
    templates: tuple[str, ...]
    key: str  # of the images
    best: float  # share of the images that its best template is right on, 0 to 1


def all_files(folder: Path, split: Split) -> Iterator[tuple[Path, int]]:
    """The files of a split and their numbers, from the first one on."""
    try:
        names = sorted(entry.name for entry in (folder / PREDICTIONS).iterdir())
    except OSError:
        return
    found = [match for match in map(_FILE.fullmatch, names) if match and match[1] == split]
    for match in sorted(found, key=lambda match: int(match[2])):
        yield folder / PREDICTIONS / match[0], int(match[2])


def read_header(path: Path, number: int) -> PredictionFile:
    """What is in a file, by its own account.

    Raises:
        FileNotFoundError: if it is gone.
        Exception: another one of ``DAMAGE``, if it can't be read.
    """
    status = path.lstat()  # safetensors has its own error for a missing file
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no file")
    with safe_open(path, framework="numpy") as file:
        about = file.metadata() or {}
    templates = json.loads(about["templates"])
    if not all(isinstance(template, str) for template in templates):
        raise ValueError("templates are texts")
    best = float(about["best"])
    return PredictionFile(path, number, status.st_size, tuple(templates), about["images"], best)


def read_file(header: PredictionFile, index: ImageIndex) -> dict[str, ImagePredictions]:
    """The predictions in a file by template, checked against the hash in it.

    Raises:
        FileNotFoundError: if it is gone.
        Exception: another one of ``DAMAGE``, if it is not what was written, or is of other images.
    """
    header.path.stat()
    with safe_open(header.path, framework="numpy") as file:
        about = file.metadata() or {}
        found, classes = file.get_tensor("log_probabilities"), file.get_tensor("classes")
    answers = json.loads(about["answers"])
    shape = (len(header.templates), len(index.images), index.classes)
    if (
        about["content"] != _content_hash(about, found, classes)
        or json.loads(about["templates"]) != list(header.templates)  # another was put in its place
        or about["images"] != index.key
        or (found.shape, found.dtype) != (shape, np.float16)
        or (classes.shape, classes.dtype) != (shape[:2], np.int32)
        or classes.min(initial=NO_CLASS) < NO_CLASS
        or classes.max(initial=NO_CLASS) >= index.classes
        or len(answers) != len(header.templates)
        or not all(_are_answers(some, len(index.images)) for some in answers)
    ):
        raise ValueError("its content is not what was kept there")
    return {
        template: ImagePredictions(found[row], classes[row], tuple(answers[row]))
        for row, template in enumerate(header.templates)
    }


def _are_answers(some: Any, images: int) -> bool:
    """Whether these are texts, one for each of the images or none at all."""
    texts = isinstance(some, list) and all(one is None or isinstance(one, str) for one in some)
    return texts and len(some) in (0, images)


def format_file(found: Mapping[str, ImagePredictions], index: ImageIndex, best: float) -> bytes:
    """A file with these predictions of the images of ``index``."""
    log_probabilities = np.stack([one.log_probabilities for one in found.values()])
    classes = np.stack([one.classes for one in found.values()])
    about = {
        "templates": json.dumps(list(found)),
        "answers": json.dumps([one.answers for one in found.values()]),
        "images": index.key,
        "best": repr(best),
    }
    about["content"] = _content_hash(about, log_probabilities, classes)
    return bytes(save({"log_probabilities": log_probabilities, "classes": classes}, metadata=about))


def _content_hash(about: Mapping[str, str], *tensors: Any) -> str:
    digest = hashlib.sha256()
    for name in ("templates", "answers", "images", "best"):
        digest.update(f"{about[name]}\0".encode())
    for tensor in tensors:
        digest.update(f"{tensor.shape}{tensor.dtype}\0".encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


class RunPredictions:
    """Those of a run: an ``engine.vlm.predictions.PredictionStore`` that is only read.

    Of a template that was scored several times (on more and more images) the predictions of most
    images count.
    """

    def __init__(self, folder: Path, report: Report = lambda _: None) -> None:
        """``report`` gets a sentence on each file that can't be believed, once."""
        self.folder = folder
        self.report = report
        self._indices: dict[Split, ImageIndex | None] = {}
        self._files: dict[Split, list[PredictionFile]] = {}

    def index(self, split: Split) -> ImageIndex | None:
        """The images of a split; None where that is not known."""
        if split not in self._indices:
            path = index_path(self.folder, split)
            try:
                self._indices[split] = read_index(self.folder, split)
            except (FileNotFoundError, NotADirectoryError):
                self._indices[split] = None
            except DAMAGE:
                self.report(f"{path}: it does not name the images any more; predictions start anew")
                self._indices[split] = None
        return self._indices[split]

    def files(self, split: Split) -> list[PredictionFile]:
        """The files of these images, from the first one on."""
        if split not in self._files:
            self._files[split] = (
                []
                if (index := self.index(split)) is None
                else [header for header in self._headers(split) if header.key == index.key]
            )
        return self._files[split]

    def read(self, template: str, split: Split) -> ImagePredictions | None:
        """Those of a template; None where they are not there, or not as they were kept."""
        index, best = self.index(split), None
        for header in reversed(self.files(split).copy()):
            if index is None or template not in header.templates:
                continue
            try:
                found = read_file(header, index)[template]
            except DAMAGE as error:
                self.files(split).remove(header)
                if not isinstance(error, FileNotFoundError):
                    self._say_damaged(header.path)
                continue
            if best is None or found.looked_at.sum() > best.looked_at.sum():
                best = found
            if best.looked_at.all():
                break
        return best

    def begin(self, split: Split, index: ImageIndex) -> None:
        """Nothing is begun: the run is only read."""

    def keep(self, split: Split, found: Mapping[str, ImagePredictions]) -> None:
        """Nothing is kept: the run is only read."""

    def _headers(self, split: Split) -> Iterator[PredictionFile]:
        for path, number in all_files(self.folder, split):
            try:
                yield read_header(path, number)
            except FileNotFoundError:
                continue
            except DAMAGE:
                self._say_damaged(path)

    def _say_damaged(self, path: Path) -> None:
        self.report(f"{path}: its content is not what was kept there; {_AGAIN}")


def damaged_files(folder: Path) -> Iterator[Path]:
    """What is in the folder of predictions and is not what was written."""
    splits: Sequence[Split] = ("train", "test")
    for split in splits:
        said: list[Path] = []
        index: ImageIndex | None = None
        try:
            index = read_index(folder, split)
        except FileNotFoundError:
            pass
        except DAMAGE:
            said.append(index_path(folder, split))
        for path, number in all_files(folder, split):
            try:
                header = read_header(path, number)
                if index is not None and header.key == index.key:
                    read_file(header, index)
            except FileNotFoundError:
                continue
            except DAMAGE:
                said.append(path)
        yield from said

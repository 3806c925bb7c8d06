"""What a template of a run made of the training images, for people: samples and confused classes.

Read from the run's folder; no model is loaded.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.common.errors import UserError
from engine.common.ownership import why_foreign
from engine.data.sources import FolderSource, ImageFile, ImageSource
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.storage.predictions import ImageIndex, RunPredictions
from engine.storage.run_folder import EVENTS
from engine.vlm.predictions import ImagePredictions

MOST_WRONG, MOST_SAMPLES = 8, 12


@dataclass(frozen=True, slots=True)
class ImageSample:
    """One image and what was made of it. Its texts are untrusted: clean before showing."""

    path: str  # in the data set
    file: ImageFile | None  # from which it can be read; None where it can't
    truth: str
    truth_probability: float
    predicted: str | None  # None: the answer names no class
    predicted_probability: float | None
    answer: str | None  # the text, where the VLM writes one

    @property
    def is_right(self) -> bool:
        """Whether the true class was predicted."""
        return self.predicted == self.truth


@dataclass(frozen=True, slots=True)
class Confusion:
    """``count`` of the ``of`` images of a class that were looked at were taken for another."""

    truth: str
    predicted: str | None  # None: the answer names no class
    count: int
    of: int


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What a template made of the images that it was shown."""

    right: int
    n: int
    samples: tuple[ImageSample, ...]  # wrong ones first, the surest of them first
    confusions: tuple[Confusion, ...]  # the most frequent first
    unseen: str | None  # why no image can be shown, if none can


def look_at_images(folder: Path, template: ScoredTemplate, state: RunState) -> LookedAt | str:
    """What a template made of the training images; or why that is not known, as a sentence.

    Args:
        folder: of the run.
        template: that was scored in it.
        state: of the run; it has the names of the classes.
    """
    said: list[str] = []
    store = RunPredictions(folder, said.append)
    index = store.index("train")
    if index is None:
        return said[0] if said else _why_nothing(state)
    found = store.read(template.text, "train")
    if found is None:
        return "It is not known here which images it took for what: " + (
            said[0] if said else "that is not kept of this template"
        )
    names = state.models.class_names if state.models else ()
    labels = np.array([image.label for image in index.images], np.int64)
    seen = found.looked_at
    right = (found.classes == labels) & seen
    fits = len(names) == index.classes and int(seen.sum()) >= template.n
    if not fits or (int(seen.sum()) == template.n and int(right.sum()) != template.hits):
        return "What is kept of its predictions is not what its score rests on: it is not shown."
    order = _interesting(found, labels, seen, right)
    source, unseen = _source(folder, index, [index.images[row].path for row in order], state)
    samples = tuple(_sample(row, index, found, names, source) for row in order)
    return LookedAt(
        right=int(right.sum()),
        n=int(seen.sum()),
        samples=samples,
        confusions=_confusions(found, labels, seen, names),
        unseen=unseen,
    )


def _why_nothing(state: RunState) -> str:
    nothing = "It is not known here which images it took for what: "
    if state.config is not None and not state.config.vlm.predictions_mib:
        return f"{nothing}vlm.predictions_mib is 0."
    return f"{nothing}it is not in the run's folder (deleted, or the run is of an earlier glov)."


def _source(
    folder: Path, index: ImageIndex, paths: Sequence[str], state: RunState
) -> tuple[ImageSource | None, str | None]:
    """Where these images may be read, or why nowhere."""
    foreign = why_foreign(folder, folder / EVENTS)
    if foreign is not None:
        return None, f"somebody else may have written where the images are: {foreign}"
    source = FolderSource(index.root)
    if not paths or any(_file(source, path) is not None for path in paths):
        return source, None
    packed = _packed(state)
    if packed is not None:
        return packed, None
    if not index.root.exists():
        return None, f"the images were in {index.root}, which is not there"
    return None, f"the images are not in {index.root}"


def _packed(state: RunState) -> ImageSource | None:
    """Where the images of a known data set lie that are no files, if it is what it was."""
    from engine.data.catalogue.table import catalogue
    from engine.data.registry import load_dataset

    config, models = state.config, state.models
    if config is None or models is None or config.data.dataset not in catalogue():
        return None
    try:
        dataset = load_dataset(config.data)
    except UserError:
        return None
    return dataset.images if dataset.fingerprint() == models.dataset_fingerprint else None


def _interesting(
    found: ImagePredictions,
    labels: NDArray[np.int64],
    seen: NDArray[np.bool_],
    right: NDArray[np.bool_],
) -> list[int]:
    """Rows of wrong images, from the surest mistake on, then of right ones, the closest first."""
    truth = found.log_probabilities[np.arange(len(labels)), labels].astype(np.float32)
    taken = found.log_probabilities.astype(np.float32).max(axis=1) - truth
    wrong = sorted(np.flatnonzero(seen & ~right).tolist(), key=lambda row: -taken[row])
    rest = sorted(np.flatnonzero(right).tolist(), key=lambda row: truth[row])
    shown = wrong[: max(MOST_WRONG, MOST_SAMPLES - len(rest))]
    return [*shown, *rest[: MOST_SAMPLES - len(shown)]]


def _sample(
    row: int,
    index: ImageIndex,
    found: ImagePredictions,
    names: Sequence[str],
    source: ImageSource | None,
) -> ImageSample:
    path, label = index.images[row]
    predicted = int(found.classes[row])
    probabilities = np.exp(found.log_probabilities[row].astype(np.float64))
    return ImageSample(
        path=path,
        file=_file(source, path) if source is not None else None,
        truth=names[label],
        truth_probability=float(probabilities[label]),
        predicted=names[predicted] if predicted >= 0 else None,
        predicted_probability=float(probabilities[predicted]) if predicted >= 0 else None,
        answer=found.answers[row] if found.answers else None,
    )


def _file(source: ImageSource, path: str) -> ImageFile | None:
    """What an image is read from: a file below the folder of the images, or what holds many."""
    if not isinstance(source, FolderSource):
        return source.file(path)
    if Path(path).is_absolute() or ".." in Path(path).parts:
        return None
    file = source.file(path)
    try:
        return file if stat.S_ISREG(file.stat().st_mode) else None
    except (OSError, ValueError):
        return None


def _confusions(
    found: ImagePredictions,
    labels: NDArray[np.int64],
    seen: NDArray[np.bool_],
    names: Sequence[str],
) -> tuple[Confusion, ...]:
    sizes = Counter(labels[seen].tolist())
    pairs = Counter(zip(labels[seen].tolist(), found.classes[seen].tolist(), strict=True))
    wrong = [(pair, count) for pair, count in pairs.items() if pair[0] != pair[1]]
    wrong.sort(key=lambda each: (-each[1], -each[1] / sizes[each[0][0]], each[0]))
    return tuple(
        Confusion(names[truth], names[taken] if taken >= 0 else None, count, sizes[truth])
        for (truth, taken), count in wrong
    )

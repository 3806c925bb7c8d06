"""What a template of a run made of the training images, for people: samples and confused classes.

Read from the run's folder; no model is loaded.
"""

from __future__ import annotations

import stat
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
from engine.search.racing import race_order
from engine.storage.predictions import ImageIndex, RunPredictions
from engine.storage.run_folder import EVENTS
from engine.vlm.confusions import confused_pairs
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


@dataclass(frozen=True, eq=False)
class Made:
    """What is kept of what a template made of the images of a split, and which it was right on."""

    index: ImageIndex
    found: ImagePredictions
    names: Sequence[str]  # of the classes
    labels: NDArray[np.int64]  # (images,) true classes
    seen: NDArray[np.bool_]  # (images,) whether it was shown them
    right: NDArray[np.bool_]  # (images,) False where it was not

    def taken_for(self, row: int) -> str | None:
        """The name of the class that an image was taken for; None: the answer names none."""
        predicted = int(self.found.classes[row])
        return self.names[predicted] if predicted >= 0 else None

    def sample(self, row: int, source: ImageSource | None) -> ImageSample:
        """One image; ``source`` is where it may be read."""
        path, label = self.index.images[row]
        predicted = int(self.found.classes[row])
        probabilities = np.exp(self.found.log_probabilities[row].astype(np.float64))
        return ImageSample(
            path=path,
            file=_file(source, path) if source is not None else None,
            truth=self.names[label],
            truth_probability=float(probabilities[label]),
            predicted=self.taken_for(row),
            predicted_probability=float(probabilities[predicted]) if predicted >= 0 else None,
            answer=self.found.answers[row] if self.found.answers else None,
        )


def look_at_images(folder: Path, template: ScoredTemplate, state: RunState) -> LookedAt | str:
    """What a template made of the training images; or why that is not known, as a sentence.

    Args:
        folder: of the run.
        template: that was scored in it.
        state: of the run; it has the names of the classes.
    """
    made = read_made(folder, template, state)
    if isinstance(made, str):
        return made
    order = _interesting(made)
    paths = [made.index.images[row].path for row in order]
    source, unseen = image_source(folder, made.index, paths, state)
    return LookedAt(
        right=int(made.right.sum()),
        n=int(made.seen.sum()),
        samples=tuple(made.sample(row, source) for row in order),
        confusions=_confusions(made),
        unseen=unseen,
    )


def read_made(
    folder: Path,
    template: ScoredTemplate,
    state: RunState,
    store: RunPredictions | None = None,
) -> Made | str:
    """What is kept of a template's predictions; or why that is not known, as a sentence.

    Arguments as of ``look_at_images``; ``store`` is the run's, where several templates are read.
    """
    said: list[str] = []
    store = store or RunPredictions(folder)
    store.report = said.append
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
    if state.config is not None and int(seen.sum()) > template.n:  # a race has shown it more since
        then = race_order(index.images, state.config.sample_seed)[: template.n]
        found = found.of_rows(then).placed(then, len(labels))
        seen = found.looked_at
    right = (found.classes == labels) & seen
    fits = len(names) == index.classes and int(seen.sum()) == template.n
    if not fits or int(right.sum()) != template.hits:
        return "What is kept of its predictions is not what its score rests on: it is not shown."
    return Made(index, found, names, labels, seen, right)


def _why_nothing(state: RunState) -> str:
    nothing = "It is not known here which images it took for what: "
    if state.config is not None and not state.config.vlm.predictions_mib:
        return f"{nothing}vlm.predictions_mib is 0."
    return f"{nothing}it is not in the run's folder (deleted, or the run is of an earlier glov)."


def image_source(
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


def _interesting(made: Made) -> list[int]:
    """Rows of wrong images, from the surest mistake on, then of right ones, the closest first."""
    own = made.found.log_probabilities.astype(np.float32)
    truth = own[np.arange(len(made.labels)), made.labels]
    taken = own.max(axis=1) - truth
    wrong_rows = np.flatnonzero(made.seen & ~made.right).tolist()
    wrong = sorted(wrong_rows, key=lambda row: -taken[row])
    rest = sorted(np.flatnonzero(made.right).tolist(), key=lambda row: truth[row])
    shown = wrong[: max(MOST_WRONG, MOST_SAMPLES - len(rest))]
    return [*shown, *rest[: MOST_SAMPLES - len(shown)]]


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


def _confusions(made: Made) -> tuple[Confusion, ...]:
    names = (*made.names, None)  # the last one is NO_CLASS
    return tuple(
        Confusion(made.names[truth], names[taken], count, of)
        for truth, taken, count, of in confused_pairs(made.found, made.labels)
    )

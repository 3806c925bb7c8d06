"""What the best template made of images: pictures within the page, and the confused classes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

from engine.analysis.export.exported import Exported
from engine.analysis.image_predictions import ImageSample, LookedAt, look_at_images
from engine.data.images import UnreadableImageError, read_image
from engine.run.ranking import ScoredTemplate

SIDE = 160  # pixels of a picture, at most
SMALL = 96  # pixels up to which a picture stays what it is, dot by dot
MOST_CLASSES = 20  # of a matrix
MOST_CONFUSIONS = 20  # of a list
SHADES = 4


@dataclass(frozen=True, slots=True)
class Picture:
    """A sample with its image as a data URI; ``why`` it has none, if it has none."""

    sample: ImageSample
    uri: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """How many images of a class were taken for one; ``shade`` 0 to ``SHADES``."""

    count: int
    shade: int
    is_right: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows are true classes, columns what they were taken for; ``unnamed`` where that is none."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    has_unnamed: bool  # a last column


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the page says of images."""

    found: LookedAt
    pictures: tuple[Picture, ...]
    matrix: Matrix | None  # None: there are too many classes


def see(run: Exported, template: ScoredTemplate) -> Seen | str:
    """What a template made of the training images; or why that is not known, as a sentence."""
    found = look_at_images(run.folder, template, run.state)
    if isinstance(found, str):
        return found
    return Seen(found, tuple(map(_picture, found.samples)), _matrix(run, template, found))


def _picture(sample: ImageSample) -> Picture:
    if sample.file is None:
        return Picture(sample, None)
    try:
        image = read_image(sample.file)
    except UnreadableImageError as error:
        return Picture(sample, None, str(error))
    return Picture(sample, data_uri(image))


def data_uri(image: Image.Image) -> str:
    """An RGB image as text: PNG where it is small, else a JPEG of at most ``SIDE`` pixels."""
    file = io.BytesIO()
    if max(image.size) <= SMALL:
        image.save(file, "PNG", optimize=True)
        kind = "png"
    else:
        small = image.copy()
        small.thumbnail((SIDE, SIDE))
        small.save(file, "JPEG", quality=82)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _matrix(run: Exported, template: ScoredTemplate, found: LookedAt) -> Matrix | None:
    models = run.state.models
    if models is None or len(models.class_names) > MOST_CLASSES or found.n != models.train_size:
        return None
    if len(set(models.class_names)) < len(models.class_names):
        return None
    wrong = {(one.truth, one.predicted): one.count for one in found.confusions}
    right = {name: hits for name, hits, _ in run.state.class_hits(template)}
    columns: list[str | None] = list(models.class_names)
    if any(predicted is None for _, predicted in wrong):
        columns.append(None)
    rows = []
    for truth in models.class_names:
        counts = [
            right.get(truth, 0) if truth == taken else wrong.get((truth, taken), 0)
            for taken in columns
        ]
        of = max(1, sum(counts))
        rows.append(
            tuple(
                Cell(count, -(-SHADES * count // of), truth == taken)
                for count, taken in zip(counts, columns, strict=True)
            )
        )
    return Matrix(models.class_names, tuple(rows), None in columns)

"""Which folder names mean a split (``training_set``, ``val2017``), and which just hold the images.

A name is taken apart into words. One of them must be a split's; words that say nothing more
(``set``, ``images``, a year) don't count; what is left (``seg`` of ``seg_train``) must be the same
in the names of both splits.
"""

from __future__ import annotations

import itertools
import re
from typing import Literal

SplitKind = Literal["train", "test", "val"]

_KINDS: dict[SplitKind, tuple[str, ...]] = {
    "train": ("train", "training", "trainval", "trn"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"),
    "val": ("val", "valid", "validation", "validate", "validating", "vld", "dev"),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
_HOLDERS = frozenset(
    (
        *("image", "images", "img", "imgs", "picture", "pictures", "pics", "photo", "photos"),
        *("data", "dataset", "datasets", "set", "sets", "split", "splits", "folder", "dir"),
        *("jpg", "jpeg", "jpegs", "jpegimages", "png", "pngs", "raw", "original", "resized"),
    )
)
_BESIDE_IMAGES = frozenset(
    (
        *("label", "labels", "annotation", "annotations", "mask", "masks", "bbox", "bboxes"),
        *("gt", "groundtruth", "segmentation", "segmentations", "json", "xml", "txt", "meta"),
    )
)
_LABELLED = frozenset(("labeled", "labelled", "annotated"))
_UNLABELLED = frozenset(("unlabeled", "unlabelled", "unannotated", "unsorted", "unclassified"))
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_GLUED = re.compile(
    rf"({'|'.join(sorted(_KIND_OF, key=len, reverse=True))})"
    r"(sets?|data|images?|imgs?|pics|photos|split|folder|jpg|png)"
)


def split_of(name: str) -> tuple[SplitKind, tuple[str, ...]] | None:
    """The split that a folder's name means, and the words of it that say something else."""
    words = _words(name)
    kinds = [_KIND_OF[word] for word in words if word in _KIND_OF]
    if kinds == ["train", "val"]:
        kinds = ["train"]
    if len(kinds) != 1:
        return None
    rest = tuple(w for w in words if w not in _KIND_OF and w not in _HOLDERS and not w.isdigit())
    return kinds[0], rest


def is_plain_split(name: str) -> bool:
    """Whether the name is a split's word and nothing else."""
    return name.casefold() in _KIND_OF


def holds_images(name: str) -> bool:
    """Whether a folder's name says only that there are images in it."""
    words = _words(name)
    return any(w in _HOLDERS for w in words) and all(w in _HOLDERS or w.isdigit() for w in words)


def holds_labelled(name: str) -> bool:
    """Whether a folder's name says that the images in it are sorted by class."""
    return any(w in _LABELLED for w in _words(name)) and not is_unlabelled(name)


def is_unlabelled(name: str) -> bool:
    """Whether a folder's name says that the images in it are of no class that is known."""
    words = _words(name)
    return any(word in _UNLABELLED for word in words) or any(
        first in ("un", "not") and second in _LABELLED
        for first, second in itertools.pairwise(words)
    )


def lies_beside_images(name: str) -> bool:
    """Whether a folder's name is that of labels or masks."""
    return any(word in _BESIDE_IMAGES for word in _words(name))


def _words(name: str) -> list[str]:
    spaced = _CAMEL.sub(" ", name).casefold()
    words = re.findall(r"[^\W\d_]+|\d+", spaced)
    return [part for word in words for part in _unglued(word)]


def _unglued(word: str) -> tuple[str, ...]:
    found = _GLUED.fullmatch(word)
    return found.groups() if found else (word,)

"""The catalogue: the paper's sixteen data sets, CIFAR-10 and -100, and CUB-200-2011.

The facts are from CoOp's DATASETS.md, torchvision 0.29, mteb's task files (names and revisions of
its copies) and the pages of the hub; docs/datasets.md says what could not be verified.
"""

from __future__ import annotations

from engine.data.catalogue.entry import Entry
from engine.data.catalogue.rows import coop, imagenet, others

CATALOGUE: tuple[Entry, ...] = (*imagenet.ROWS, *coop.ROWS, *others.ROWS)


def catalogue() -> dict[str, Entry]:
    """All rows by name."""
    return {entry.name: entry for entry in CATALOGUE}

"""What a row of the catalogue says. Facts only: how they are read is the readers' business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Image files in folders, as CoOp (github.com/KaiyangZhou/CoOp, DATASETS.md) lays them out."""

    reader: str  # module:function, an ``engine.data.readers.catalogue.LayoutReader``
    folder: str  # the set's own, below the folder with all data sets
    images: str = ""  # the folder with the images, below the set's own
    signs: tuple[str, ...] = ()  # what is in its folder, one of them; default: ``images``
    split: str = ""  # the file that says which image is in which split
    digest: str = ""  # of the split's content: ``coop_split.split_digest``


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCopy:
    """Rows of a data set on the Hugging Face hub."""

    repository: str
    revision: str
    train: str = "train"  # names of the splits
    test: str = "test"
    image: str = "image"  # names of the columns
    label: str = "label"
    classes: tuple[str, ...] = ()  # of the labels 0, 1, ..., where the copy doesn't say
    unverified: str = ""  # what of this row no public page was found for


@dataclass(frozen=True, slots=True, kw_only=True)
class TarCopy:
    """Tars of a webdataset on the hub: SPLIT/0.tar, ... and classnames.txt."""

    repository: str
    revision: str
    train: bool = False  # whether it has a train split


@dataclass(frozen=True, slots=True, kw_only=True)
class Torchvision:
    """A class of torchvision.datasets, and in which attributes it keeps files and labels."""

    name: str
    train: Mapping[str, object]  # arguments of its constructor
    test: Mapping[str, object]
    files: str = "_image_files"
    labels: str = "_labels"
    needs: str = ""  # what is looked for below the folder, to see whether it is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that a plain download gets. ``into`` is below the folder with all data sets."""

    url: str
    into: str  # a folder to unpack into; with a file name at the end where nothing is unpacked
    bytes: int | None = None  # where known
    md5: str = ""
    sha256: str = ""
    inner: str = ""  # an archive in it, which is unpacked where it lies
    strip: str = ""  # folders in front that are left away


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One data set."""

    name: str  # data.dataset
    title: str  # as the LLM is told
    description: str  # for the LLM: one or two sentences
    classes: str  # the file with the class names
    subset: str = ""  # the file that says which of them
    layout: Layout
    train: int | None  # images; None where nobody says
    test: int
    hub: HubCopy | None = None
    tars: TarCopy | None = None
    torchvision: Torchvision | None = None
    trained_on: str = ""  # the data set that its training images are of
    downloads: tuple[Download, ...] = ()
    steps: tuple[str, ...] = ()  # what a person does, where no plain download works
    dead: tuple[str, ...] = ()  # what is said elsewhere and does not work any more
    table: str = ""  # its name in the paper's tables
    templates: str = ""  # its name in clip-benchmark's list of templates, or "imagenet"
    foci: bool = False  # whether the paper's multiple-choice questions (FOCI) are of it
    notes: tuple[str, ...] = field(default=())

"""Keeping what templates made of each image in a run's folder, within a limit of its size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from engine.common.files import make_folder, write_atomic
from engine.common.ownership import why_denied
from engine.data.dataset import Split
from engine.storage.predictions import (
    DAMAGE,
    ImageIndex,
    PredictionFile,
    Report,
    RunPredictions,
    all_files,
    format_file,
    index_path,
    read_header,
    read_index,
)
from engine.storage.run_folder import PREDICTIONS
from engine.vlm.predictions import ImagePredictions


class PredictionKeeper(RunPredictions):
    """``engine.vlm.predictions.PredictionStore`` of a run, for the process that drives it.

    Where there is no more room, files of training images go first whose best template is worst,
    and those of test images that are oldest: what is measured there decides nothing. The first one
    of a split stays, which has the seed template. Nothing that fails here ends a run: it is said,
    and from then on nothing is kept.
    """

    def __init__(self, folder: Path, room: int, report: Report) -> None:
        """``room`` in bytes, for all files of a split together."""
        super().__init__(folder, report)
        self._room = room
        self._numbers: dict[Split, int] = {}  # of the files written last
        self._labels: dict[Split, np.ndarray[tuple[int], np.dtype[np.int32]]] = {}
        self._given_up = False
        self._full: set[Split] = set()  # of which that was said

    def begin(self, split: Split, index: ImageIndex) -> None:
        """Keep predictions of these images; files that are of others are left where they are."""
        self._labels[split] = np.array([image.label for image in index.images], np.int32)
        found = self.index(split)
        try:
            self._make_folder()
            if found != index:
                path = index_path(self.folder, split)
                write_atomic(path, index.to_json(), durable=False)
        except OSError as error:
            self._give_up(error)
        if found is not None and found.key != index.key:
            self.report(
                f"{self.folder / PREDICTIONS}: what is kept there is of other images, or of the "
                "same in another order; it is not used"
            )
        self._indices[split] = index
        self._files.pop(split, None)
        numbers = [number for _, number in all_files(self.folder, split)]
        self._numbers[split] = max(numbers, default=0)

    def keep(self, split: Split, found: Mapping[str, ImagePredictions]) -> None:
        """Write those of templates that were scored together into a file of their own.

        Test images are always all looked at: what is there of them already is not written again.
        """
        index = self.index(split)
        if self._given_up or index is None or split not in self._labels:
            return
        if split == "test":
            known = {template for file in self.files(split) for template in file.templates}
            found = {template: one for template, one in found.items() if template not in known}
        if not found:
            return
        best = max(self._share(split, one) for one in found.values())
        content = format_file(found, index, best)
        number = self._numbers[split] + 1
        path = self.folder / PREDICTIONS / f"{split}-{number:06}.safetensors"
        header = PredictionFile(path, number, len(content), tuple(found), index.key, best)
        try:
            if self._make_room(split, header):
                self._make_folder()
                write_atomic(path, content, durable=False)
                self._numbers[split] = number
                self.files(split).append(header)
        except OSError as error:
            self._give_up(error)

    def _share(self, split: Split, one: ImagePredictions) -> float:
        """How many of the images that were looked at it is right on."""
        right = (one.classes == self._labels[split]).sum()
        return float(right) / max(1, int(one.looked_at.sum()))

    def _make_room(self, split: Split, new: PredictionFile) -> bool:
        """Let others go until ``new`` fits; returns whether it is not itself among these.

        Raises:
            OSError: if a file can't be deleted.
        """
        files = self.files(split)
        taken = new.bytes + sum(file.bytes for file in files)
        order = [*files[1:], new]
        if split == "train":
            order.sort(key=lambda file: (file.best, file.number))
        going: list[PredictionFile] = []
        for file in order:
            if taken <= self._room:
                break
            taken -= file.bytes
            going.append(file)
        if going and split not in self._full:
            self._full.add(split)
            first = "that of the worst" if split == "train" else "the oldest"
            self.report(
                f"there is no more room for what templates made of each {split} image "
                f"({self._room >> 20} MiB, vlm.predictions_mib): {first} goes"
            )
        if new in going:
            return False
        for file in going:
            file.path.unlink(missing_ok=True)
        self._files[split] = [kept for kept in files if kept not in going]
        return True

    def _make_folder(self) -> None:
        folder = self.folder / PREDICTIONS
        if folder.is_symlink():
            raise OSError(None, "it is a link, and none is followed here", str(folder))
        make_folder(folder, 0o700)

    def _give_up(self, error: OSError) -> None:
        self._given_up = True
        folder = self.folder / PREDICTIONS
        self.report(
            f"{folder}: what templates make of each image can't be kept there: "
            f"{why_denied(error, folder)}; the run goes on without"
        )


def copy_predictions(parent: Path, folder: Path, split: Split, templates: Iterable[str]) -> None:
    """Copy what a run has of these images of a split and templates, whole, into a fork of it.

    What can't be read or written is left out: it is scored again where it is needed.
    """
    wanted = set(templates)
    try:
        index = read_index(parent, split)
        make_folder(folder / PREDICTIONS, 0o700)
        write_atomic(index_path(folder, split), index.to_json(), durable=False)
        for path, number in all_files(parent, split):
            try:
                if wanted.intersection(read_header(path, number).templates):
                    content = path.read_bytes()
                    write_atomic(folder / PREDICTIONS / path.name, content, durable=False)
            except DAMAGE:  # or gone: the parent is under way and made room
                continue
    except DAMAGE:
        return

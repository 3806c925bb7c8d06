"""Image features on disk, so that a data set is encoded once per model and not once per run.

One safetensors file per (model, list of image files). A file is named by a hash of everything
that its content depends on, so an entry is never stale, only unused. The image files are
identified by path, size and modification time: hashing their content would cost as much reading
as encoding them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.data.images import READER_VERSION
from engine.data.names import encode_name
from engine.files import close_to_others, make_folder, write_atomic

_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features of the readable ones among a list of ``count`` image files.

    ``features[i]`` (float32, L2-normalised) belongs to the file at index ``kept[i]``, ascending.
    ``unreadable`` gives the reason for every other index.
    """

    features: NDArray[np.float32]  # (readable files, dimension)
    kept: NDArray[np.int64]  # (readable files,)
    unreadable: dict[int, str]


class FeatureCache:
    """A folder of feature sets. Several processes may use one folder at once.

    A file appears under its name only when it is whole (written aside, then renamed), and a file
    that can't be read counts as absent; so the worst that can happen is that two processes
    compute the same features.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str, count: int) -> FeatureSet | None:
        """The set stored for ``key`` with ``count`` files, or ``None`` if absent or damaged."""
        try:
            with safe_open(self._path(key), framework="numpy") as file:
                metadata = file.metadata() or {}
                features = file.get_tensor("features")
                kept = file.get_tensor("kept")
                unreadable = {
                    int(index): str(reason)
                    for index, reason in json.loads(metadata["unreadable"]).items()
                }
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError):
            return None
        whole = (
            features.dtype == np.float32
            and features.ndim == 2
            and kept.shape == (len(features),)
            and sorted([*kept.tolist(), *unreadable]) == list(range(count))
            and bool(np.isfinite(features).all())
        )
        return FeatureSet(features, kept.astype(np.int64), unreadable) if whole else None

    def store(self, key: str, found: FeatureSet) -> None:
        """Write ``found`` under ``key``, atomically.

        Raises:
            OSError: if the folder can't be written or the disk is full.
        """
        make_folder(self.folder)
        close_to_others(self.folder)
        content = save(
            {"features": np.ascontiguousarray(found.features), "kept": found.kept},
            metadata={"unreadable": json.dumps(found.unreadable)},
        )
        write_atomic(self._path(key), content)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def cache_key(model_key: str, root: Path, paths: Sequence[str]) -> str:
    """Hash of the model's key and of each file's path, size and modification time.

    Args:
        model_key: says all that the features depend on beside the files: model, weights,
            precision, preprocessing.
        root: folder that ``paths`` are relative to.
        paths: in the order of the features.
    """
    digest = hashlib.sha256(f"{_FORMAT}\0{READER_VERSION}\0{model_key}\0".encode())
    digest.update(encode_name(f"{root.resolve()}\0"))
    for path in paths:
        size, changed = -1, -1
        with contextlib.suppress(OSError):
            status = (root / path).stat()
            size, changed = status.st_size, status.st_mtime_ns
        digest.update(encode_name(f"{path}\0{size}\0{changed}\0"))
    return digest.hexdigest()[:40]

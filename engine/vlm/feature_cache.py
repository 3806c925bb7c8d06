"""Image features on disk, so that a data set is encoded once per model and not once per run.

One safetensors file per (model, list of image files). A file is named by a hash of everything
that its content depends on, so an entry is never stale, only unused. The image files are
identified by path, size and modification time: hashing their content would cost as much reading
as encoding them again. The entry itself carries a hash of its content: features in another order
would be silently wrong numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.common.files import close_to_others, make_folder, write_atomic
from engine.common.names import encode_name
from engine.data.images import READER_VERSION
from engine.data.sources import ImageSource

_FORMAT = "1"
_KEY = re.compile(r"[0-9a-f]{40}")  # of `cache_key`; a journal of others may have a path there


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features of the readable ones among a list of ``count`` image files.

    ``features[i]`` (float32, L2-normalised) belongs to the file at index ``kept[i]``, ascending.
    ``unreadable`` gives the reason for every other index.
    """

    features: NDArray[np.float32]  # (readable files, dimension)
    kept: NDArray[np.int64]  # (readable files,)
    unreadable: dict[int, str]
    digests: NDArray[np.uint64] | None = None  # (readable files,): hashes of the files' content


class FeatureCache:
    """A folder of feature sets. Several processes may use one folder at once.

    A file appears under its name only when it is whole (written aside, then renamed), and a file
    whose content is not what was stored counts as absent; so the worst that can happen is that
    two processes compute the same features.
    """

    def __init__(self, folder: Path, report: Callable[[str], None] = lambda _: None) -> None:
        """``report`` gets a sentence where an entry is damaged."""
        self.folder = folder
        self._report = report

    def load(self, key: str, count: int) -> FeatureSet | None:
        """The set stored for ``key`` with ``count`` files, or ``None`` if absent or damaged."""
        path = self._path(key)
        try:
            found = _read(path, key)
        except FileNotFoundError:
            return None
        except _DAMAGE as error:
            if not isinstance(error, _OldEntryError):
                self._report(f"{path}: its content is not what was kept there; computed anew")
            return None
        whole = sorted([*found.kept.tolist(), *found.unreadable]) == list(range(count))
        return found if whole else None

    def damaged(self, keys: Iterable[str] | None = None) -> list[Path]:
        """The entries whose content is not what was stored, or can't be read; of all, or of
        those with these keys that are there. A key of another form is that of no entry.
        """
        if keys is None:
            paths = sorted(self.folder.glob("*.safetensors"))
        else:
            known = map(self._path, filter(_KEY.fullmatch, keys))
            paths = [path for path in known if os.path.lexists(path)]
        return [path for path in paths if _is_damaged(path)]

    def store(self, key: str, found: FeatureSet) -> None:
        """Write ``found`` under ``key``, atomically.

        Raises:
            OSError: if the folder can't be written or the disk is full.
        """
        make_folder(self.folder)
        close_to_others(self.folder)
        features = np.ascontiguousarray(found.features)
        kept = found.kept.astype(np.int64)
        found = FeatureSet(features, kept, found.unreadable, found.digests)
        digests = {} if found.digests is None else {"digests": found.digests}
        content = save(
            {"features": found.features, "kept": found.kept, **digests},
            metadata={
                "unreadable": json.dumps(found.unreadable),
                "content": _content_hash(key, found),
            },
        )
        write_atomic(self._path(key), content)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


class _OldEntryError(ValueError):
    """An entry that was stored without a hash of its content."""


_DAMAGE = (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError)


def _read(path: Path, key: str) -> FeatureSet:
    """The entry in a file, checked against the hash in it; raises one of ``_DAMAGE``."""
    path.stat()  # safetensors has its own error for a missing file
    with safe_open(path, framework="numpy") as file:
        metadata, names = file.metadata() or {}, set(file.keys())
        found = FeatureSet(
            features=file.get_tensor("features"),
            kept=file.get_tensor("kept"),
            unreadable={
                int(index): str(reason)
                for index, reason in json.loads(metadata["unreadable"]).items()
            },
            digests=file.get_tensor("digests") if "digests" in names else None,
        )
    if "content" not in metadata:
        raise _OldEntryError
    if (
        metadata["content"] != _content_hash(key, found)
        or found.features.dtype != np.float32
        or found.features.ndim != 2
        or found.kept.shape != (len(found.features),)
        or not np.isfinite(found.features).all()
    ):
        raise ValueError
    return found


def _is_damaged(path: Path) -> bool:
    try:
        _read(path, path.stem)
    except _OldEntryError:
        return False
    except _DAMAGE:
        return True
    return False


def _content_hash(key: str, found: FeatureSet) -> str:
    """Hash of an entry's key, features, indices and reasons."""
    described = (key, found.features.shape, str(found.features.dtype), str(found.kept.dtype))
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update(np.ascontiguousarray(found.features).data)
    digest.update(np.ascontiguousarray(found.kept).data)
    if found.digests is not None:
        digest.update(np.ascontiguousarray(found.digests).data)
    digest.update(json.dumps(sorted(found.unreadable.items())).encode())
    return digest.hexdigest()


def cache_key(model_key: str, images: ImageSource, paths: Sequence[str]) -> str:
    """Hash of the model's key and of each file's path, size and modification time.

    Args:
        model_key: says all that the features depend on beside the files: model, weights,
            precision, preprocessing.
        images: where they lie.
        paths: in the order of the features.
    """
    digest = hashlib.sha256(f"{_FORMAT}\0{READER_VERSION}\0{model_key}\0".encode())
    digest.update(encode_name(f"{images.identity}\0"))
    for path in paths:
        size, changed = images.stamp(path)
        digest.update(encode_name(f"{path}\0{size}\0{changed}\0"))
    return digest.hexdigest()[:40]

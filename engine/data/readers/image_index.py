"""Indexes of images in the cache: where there are a million, they are not looked for anew.

An index holds while what was looked through has the same stamps (modification times, sizes). It can
be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.common.cache_folder import cache_folder
from engine.common.files import close_to_others, make_folder, write_atomic
from engine.common.names import encode_name
from engine.data.packed import PackedImages

_FORMAT = "1"
_SETTLED = 2_000_000_000  # nanoseconds after which a modification time tells all changes


def indexed(
    of: Sequence[str],
    stamps: Sequence[Sequence[int]],
    folders: Sequence[str],
    build: Callable[[], PackedImages],
) -> PackedImages:
    """The images of an index that holds; else what ``build`` finds, kept from now on.

    Args:
        of: what the images depend on beside the stamps: places, a reader's name.
        stamps: of each thing that is looked through its modification time in nanoseconds, and more.
            Where one is of the last seconds nothing is kept: a second change might not show in it.
        folders: as ``PackedImages`` takes them.
        build: looks for the images.
    """
    named = hashlib.sha256(encode_name("\0".join((_FORMAT, *of)))).hexdigest()[:40]
    file = indexes_folder() / f"{named}.safetensors"
    kept = _read(file, stamps, folders)
    if kept is not None:
        return kept
    before = time.time_ns()
    packed = build()
    if max((stamp[0] for stamp in stamps), default=0) + _SETTLED < before:
        with contextlib.suppress(OSError):  # without an index it takes longer, no more
            _write(file, stamps, packed)
    return packed


def indexes_folder() -> Path:
    """Where indexes are kept."""
    return cache_folder() / "indexes"


def _write(file: Path, stamps: Sequence[Sequence[int]], packed: PackedImages) -> None:
    make_folder(file.parent)
    close_to_others(file.parent)
    arrays: dict[str, NDArray[Any]] = {
        "names": packed.names,
        "ends": packed.ends,
        "labels": packed.labels,
    }
    about = {"stamps": _as_json(stamps), "content": packed.digest().hex()}
    write_atomic(file, save(arrays, about), durable=False)


def _read(
    file: Path, stamps: Sequence[Sequence[int]], folders: Sequence[str]
) -> PackedImages | None:
    """The images of an index that holds; None where there is none, or it is damaged."""
    try:
        file.stat()  # safetensors has its own error for a missing file
        with safe_open(file, framework="numpy") as index:
            about = index.metadata() or {}
            if about["stamps"] != _as_json(stamps):
                return None
            found = [index.get_tensor(name) for name in ("names", "ends", "labels")]
        packed = PackedImages(folders, *found)
        if packed.digest().hex() == about["content"]:
            return packed
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        pass
    return None


def _as_json(stamps: Sequence[Sequence[int]]) -> str:
    return json.dumps([list(stamp) for stamp in stamps])

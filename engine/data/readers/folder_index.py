"""The images in class folders, from an index where one holds.

Each class folder must have the modification time that it had when it was listed: a file that is
added, taken away or renamed changes it. A file that is overwritten in place does not: it is noticed
where it is read, by its size and time (features) and by its content (what a run is scored on).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.common.errors import DataError
from engine.common.names import readable_name
from engine.data.packed import PackedImages
from engine.data.readers.image_index import indexed
from engine.data.readers.visible_files import is_image_name


def index_class_folders(root: Path, folders: Sequence[str], prefix: str) -> PackedImages:
    """The images in each of ``folders`` below ``root``, by name; labels are the folders' places.

    Args:
        root: folder with the class folders.
        folders: one for each class.
        prefix: stands before the folder in the images' paths, ``train`` for ``train/n01440764/1``.

    Raises:
        DataError: if a folder is not there or can't be read.
    """
    shown = [f"{prefix}/{folder}" for folder in folders]
    return indexed(
        ("folders", prefix, os.path.realpath(root), *folders),
        [(_time(root / folder),) for folder in folders],
        shown,
        lambda: PackedImages.of(shown, (_images(root / folder) for folder in folders)),
    )


def _time(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError as error:
        raise DataError(
            f"{readable_name(str(folder))}: a class folder that should be there is not: "
            f"{error.strerror or error}"
        ) from error


def _images(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if is_image_name(entry.name) and entry.name[0] != "." and not entry.is_dir()
            ]
    except OSError as error:
        raise DataError(
            f"{readable_name(str(folder))}: can't be read: {error.strerror or error}"
        ) from error
    return sorted(names)

"""What of a folder of images counts: without hidden files, what systems leave, what is ignored.

Network storage and desktops put thumbnails and waste baskets beside a person's files. Taken for
images, copies of training images would land in the test split. All names are paths relative to
the data set's root, with ``/`` on every system.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from engine.common.errors import DataError
from engine.common.names import natural_key, readable_name, same_name
from engine.data.images import SUFFIXES

_SYSTEM = frozenset(
    (
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "@synoresource", "@sharebin"),
        *("#recycle", "#snapshot", "~snapshot", "$recycle.bin", "recycler", "recycled"),
        *("system volume information", "found.000", "lost+found", "__macosx", "icon\r"),
        *("network trash folder", "temporary items", "thevolumesettingsfolder"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "__pycache__"),
    )
)
"""Names that storage and desktops use for themselves, in lower case; beside all with a dot."""

_MAX_NAMED = 3
_DEEPEST = 50  # folders in each other


@dataclass(frozen=True, slots=True)
class Listing:
    """The names in one folder that count, in natural order."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class _PassedOver:
    """Paths that were passed over, as keys: a folder may be listed more than once."""

    system: dict[str, None] = field(default_factory=dict)
    hidden: dict[str, None] = field(default_factory=dict)  # images only
    ignored: dict[str, None] = field(default_factory=dict)
    circles: dict[str, None] = field(default_factory=dict)
    again: dict[str, None] = field(default_factory=dict)
    special: dict[str, None] = field(default_factory=dict)  # never opened: they may block


class VisibleFiles:
    """Lists the folders below ``root`` and remembers what it passed over."""

    def __init__(self, root: Path, ignore: Sequence[str] = ()) -> None:
        """``ignore`` has patterns (``*``, ``?``, ``[]``) for names, or for paths below ``root``."""
        self.root = root
        self._ignore = [same_name(pattern).strip("/") for pattern in ignore]
        self._known: dict[str, Listing] = {}
        self._real: dict[str, str] = {}
        self._passed = _PassedOver()
        self._above_root = _with_parents(root)

    def listing(self, folder: str) -> Listing:
        """What counts in ``folder`` (``""`` is the root). Links are followed.

        Raises:
            DataError: if it can't be read.
        """
        if folder not in self._known:
            self._known[folder] = self._listed(folder)
        return self._known[folder]

    def below(self, folder: str) -> Iterator[str]:
        """All files in ``folder``, in a folder that links lead to more than once only once.

        Raises:
            DataError: if a folder can't be read, or they are nested too deep.
        """
        return self._below(folder, (), set())

    def real(self, folder: str) -> str:
        """The path of a folder without links, by which two names of one are known."""
        if folder not in self._real:
            self._real[folder] = os.path.realpath(self.root / folder)
        return self._real[folder]

    def link(self, path: str) -> str | None:
        """The first part of this path that is a link, with what is above it; None without any."""
        parts = path.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts) + 1))
        return next((part for part in above if (self.root / part).is_symlink()), None)

    def is_ignored(self, path: str) -> bool:
        """Whether a pattern of ``ignore`` is for this path or for its last part."""
        path = same_name(path)
        name = path.rpartition("/")[2]
        return any(fnmatchcase(path, p) or fnmatchcase(name, p) for p in self._ignore)

    def remarks(self) -> list[str]:
        """A sentence for each kind of things that were passed over."""
        kinds = (
            (self._passed.system, "left by storage systems and desktops"),
            (self._passed.hidden, "hidden images"),
            (self._passed.ignored, "ignored as dataset.toml says"),
            (self._passed.circles, "links that lead back to a folder above"),
            (self._passed.again, "links to folders that are read anyway"),
            (self._passed.special, "pipes, sockets or devices"),
        )
        return [f"passed over, {what}: {some_paths(list(paths))}" for paths, what in kinds if paths]

    def _below(self, folder: str, above: tuple[str, ...], walked: set[str]) -> Iterator[str]:
        real = self.real(folder)
        if real in above:
            self._passed.circles[folder] = None
            return
        if real in walked:  # links can lead to one folder in more ways than can be gone through
            self._passed.again[folder] = None
            return
        if len(above) == _DEEPEST:
            raise DataError(
                f"{readable_name(str(self.root / '/'.join(folder.split('/')[:_MAX_NAMED])))}: "
                f"folders in it are nested more than {_DEEPEST} deep; put the images higher, or "
                "name it in ignore in dataset.toml"
            )
        walked.add(real)
        listing = self.listing(folder)
        merged = sorted(
            [(natural_key(name), name, False) for name in listing.files]
            + [(natural_key(name), name, True) for name in listing.folders]
        )
        for _, name, is_folder in merged:
            if is_folder:
                yield from self._below(f"{folder}/{name}", (*above, real), walked)
            else:
                yield f"{folder}/{name}"

    def _listed(self, folder: str) -> Listing:
        folders, files = [], []
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if self._is_passed_over(path, entry.name):
                        continue
                    if _is_folder(entry):
                        if entry.is_symlink() and os.path.realpath(entry.path) in self._above_root:
                            self._passed.circles[path] = None
                        else:
                            folders.append(entry.name)
                    elif _is_file_or_broken_link(entry):
                        files.append(entry.name)
                    else:
                        self._passed.special[path] = None
        except OSError as error:
            reason = error.strerror or error
            raise DataError(
                f"{readable_name(str(self.root / folder))}: can't be read: {reason}"
            ) from error
        return Listing(
            tuple(sorted(folders, key=natural_key)), tuple(sorted(files, key=natural_key))
        )

    def _is_passed_over(self, path: str, name: str) -> bool:
        if name.startswith("."):
            if is_image_name(name) and not name.startswith("._"):
                self._passed.hidden[path] = None
            return True
        if name.casefold() in _SYSTEM:
            self._passed.system[path] = None
            return True
        if self._ignore and self.is_ignored(path):
            self._passed.ignored[path] = None
            return True
        return False


def is_image_name(path: str) -> bool:
    """Whether a file's ending is that of an image, in whatever case."""
    return ending(path) in SUFFIXES


def ending(path: str) -> str:
    """``.jpg`` of ``a/B.JPG``, nothing of ``a/.b`` and ``a/b``."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def some_paths(paths: Sequence[str]) -> str:
    """How many, and the first of them by name."""
    shown = ", ".join(readable_name(path) for path in paths[:_MAX_NAMED])
    return f"{len(paths)} ({shown}{', ...' if len(paths) > _MAX_NAMED else ''})"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file_or_broken_link(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or not Path(entry.path).exists()
    except OSError:
        return True


def _with_parents(root: Path) -> frozenset[str]:
    real = Path(os.path.realpath(root))
    return frozenset(str(path) for path in (real, *real.parents))

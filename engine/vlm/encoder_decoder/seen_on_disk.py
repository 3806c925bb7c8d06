"""What vision towers made of images, on disk: for images that memory has no room for.

A file an image, named by a hash of all that it depends on, so an entry is never stale; it carries a
hash of its content, and one that is not what was kept counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.common.files import close_to_others, make_folder, mark_used, write_atomic
from engine.common.ownership import why_denied
from engine.vlm.encoder_decoder.vision_features import SeenImage

_ENDING = ".safetensors"
_FEATURES = "features"


class SeenOnDisk:
    """A folder of seen images. Several processes may use it at once; one thread of each."""

    def __init__(
        self,
        folder: Path,
        model_key: str,
        digests: Mapping[str, int],
        most: int,
        report: Callable[[str], None],
    ) -> None:
        """
        Args:
            folder: where they are kept; it need not exist yet.
            model_key: all that features depend on beside the image: weights, treatment of images.
            digests: hashes of the images' content, by path.
            most: bytes in the folder, of all models; what was not used for longest goes.
            report: gets a sentence where an entry is damaged, or nothing can be kept.
        """
        self._folder = folder
        self._key = model_key
        self._digests = digests
        self._most = most
        self._report = report
        self._used: set[str] = set()  # names of files: these are not taken away
        self._bytes: int | None = None

    def __contains__(self, path: str) -> bool:
        """Whether there is an entry; it may be damaged."""
        if path not in self._digests:
            return False
        try:
            return self._file(path).exists()
        except OSError:  # the folder can't be looked into
            return False

    def get(self, path: str) -> SeenImage | None:
        """What was kept of an image, on the CPU; None if there is nothing, or it is damaged."""
        if path not in self:
            return None
        file = self._file(path)
        try:
            file.stat()  # safetensors has its own errors for what can't be opened
            with safe_open(file, framework="pt") as entry:
                tensors = {name: entry.get_tensor(name) for name in entry.keys()}  # noqa: SIM118
                described = entry.metadata() or {}
            listed = described["listed"] == "1"
            if described["content"] != _content(file.stem, tensors, listed):
                raise ValueError
            features = tensors.pop(_FEATURES)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            self._report(f"{file}: {_why_not(error, file)}; computed anew")
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        mark_used(file)
        self._used.add(file.name)
        return SeenImage(tensors, features, listed)

    def put(self, path: str, seen: SeenImage) -> None:
        """Keep what was seen of an image, if there is room."""
        if path not in self._digests or path in self:
            return
        file = self._file(path)
        tensors = {name: value.cpu().contiguous() for name, value in seen.inputs.items()}
        tensors[_FEATURES] = seen.features.cpu().contiguous()
        described = {
            "listed": str(int(seen.listed)),
            "content": _content(file.stem, tensors, seen.listed),
        }
        content = save(tensors, metadata=described)
        try:
            if not self._has_room(len(content)):
                return
            write_atomic(file, content, durable=False)
        except OSError as error:
            self._report(
                f"{self._folder}: images' features can't be kept there: "
                f"{why_denied(error, self._folder)}"
            )
            self._most = 0
            return
        self._used.add(file.name)
        self._bytes = (self._bytes or 0) + len(content)

    def _file(self, path: str) -> Path:
        described = f"{self._key}\0{self._digests[path]:016x}"
        return self._folder / f"{hashlib.sha256(described.encode()).hexdigest()[:40]}{_ENDING}"

    def _has_room(self, size: int) -> bool:
        """Whether so much fits; files that were not used for longest are taken away for it."""
        if size > self._most:
            return False
        if self._bytes is None:
            make_folder(self._folder)
            close_to_others(self._folder)
            self._bytes = sum(bytes_ for _, bytes_, _ in self._files())
        if self._bytes + size > self._most:
            for _, taken, file in sorted(self._files()):
                if self._bytes + size <= self._most:
                    break
                if file.name not in self._used:
                    with contextlib.suppress(OSError):
                        file.unlink()
                        self._bytes -= taken
        return self._bytes + size <= self._most

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._folder.glob(f"*{_ENDING}"):
            with contextlib.suppress(OSError):
                facts = path.lstat()
                found.append((facts.st_mtime, facts.st_size, path))
        return found


def _why_not(error: Exception, file: Path) -> str:
    if isinstance(error, OSError):
        return f"what is kept there can't be read: {why_denied(error, file)}"
    return "its content is not what was kept there"


def _content(name: str, tensors: Mapping[str, Tensor], listed: bool) -> str:
    digest = hashlib.sha256(f"{name}\0{listed}".encode())
    for key, value in sorted(tensors.items()):
        digest.update(f"{key}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

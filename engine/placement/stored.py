"""The tensors that a model's files hold, by their headers: no weight is read.

Of files that are not on this machine the hub tells the headers. Pickled weights have none, so
their sizes stand for them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

from engine.models import hub

BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16}
"""Of the types that safetensors has names for; all others but those of 4 bits have 8."""
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Types that are made another when a model is loaded; what is quantised stays as it is."""
_PICKLED = "pickled"
_NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Of the file that is there of each way in which transformers stores weights, the first first."""


class Stored(NamedTuple):
    """One tensor of a file; ``dtype`` as safetensors writes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """That it takes in the file."""
        bits = BITS.get(self.dtype, 4 if self.dtype.startswith("F4") else 8)
        return self.numel * bits // 8

    @property
    def is_pickled(self) -> bool:
        """Whether it stands for whole files of which only the size is known."""
        return self.name == _PICKLED


def of_folder(folder: Path) -> tuple[Stored, ...]:
    """Of a folder that ``save_pretrained`` wrote; nothing where it has no weights.

    Raises:
        OSError, ValueError: naming a file that can't be read.
    """
    whole = folder / "model.safetensors"
    if whole.is_file():
        return tuple(of_file(whole))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return tuple(stored for name in _parts(index) for stored in of_file(folder / name))
    return _of_pickles(folder.glob("pytorch_model*.bin"))


def of_file(file: Path) -> Sequence[Stored]:
    """Of one file of safetensors.

    Raises:
        OSError, ValueError: naming a file that can't be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            slices = ((name, opened.get_slice(name)) for name in opened.keys())  # noqa: SIM118
            return [Stored(name, s.get_dtype(), tuple(s.get_shape())) for name, s in slices]
    except SafetensorError as error:
        raise ValueError(f"{file.name} is damaged, or not all of it is there: {error}") from error


def of_hub(repository: str, revision: str | None = None) -> tuple[Stored, ...]:
    """Of a hub repository: from its files in the cache, else from the hub; nothing if unknown."""
    import huggingface_hub

    for name in _NAMES:
        found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(found, str):
            try:
                return of_folder(Path(found).parent)
            except OSError:  # not all parts are there
                break
    if hub.is_switched_off() or hub.why_unreachable() is not None:
        return ()
    asked = huggingface_hub.get_safetensors_metadata
    files = asked(repository, revision=revision).files_metadata.values()
    return tuple(
        Stored(name, str(about.dtype), tuple(about.shape))
        for file in files
        for name, about in file.tensors.items()
    )


def _parts(index: Path) -> list[str]:
    """The files that an index names."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index.name} is damaged: it names no files of weights") from error


def of_gguf(file: Path) -> tuple[Stored, ...]:
    """Of a GGUF file, as it is unpacked: each weight counts as one of 16 bits.

    Raises:
        ValueError: if it is damaged.
    """
    from gguf import GGUFReader

    try:
        found = GGUFReader(file).tensors
    except (ValueError, IndexError, KeyError, struct.error, OverflowError) as error:
        raise ValueError("the file is damaged, or not all of it is there") from error
    return tuple(
        Stored(str(tensor.name), "BF16", tuple(int(n) for n in tensor.shape)) for tensor in found
    )


def _of_pickles(files: Iterable[Path]) -> tuple[Stored, ...]:
    size = sum(file.stat().st_size for file in set(files))
    return (Stored(_PICKLED, "U8", (size,)),) if size else ()

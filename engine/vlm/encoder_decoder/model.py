"""Loading an image-text-to-text model of transformers, and saying why it can't be.

No code that comes with a model is run unless ``vlm.trust_remote_code`` says so: see
``engine.models.code``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from engine.common.collecting import uncollected
from engine.common.errors import ModelError
from engine.common.user_path import reachable, user_path
from engine.config import VLMConfig
from engine.models import threads
from engine.models.code import check_kernels, no_questions
from engine.models.device import find_device
from engine.models.identity import identify, sampled_hash
from engine.models.load_errors import LONGEST, in_words
from engine.models.placing import check_blocks, check_quantization, placed
from engine.models.quiet import quiet
from engine.prompts.jinja_limits import limit_chat_template

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in eval mode on its device, and its processor."""

    name: str
    model: Any
    processor: Any
    revision: str  # of the files, where it is known
    weights: str  # the precision, and a hash of what was loaded


@uncollected()
def load_model(config: VLMConfig) -> LoadedModel:
    """Load the model that ``vlm.model`` names: a hub name, or a folder that transformers wrote.

    Raises:
        ModelError: if there is no such model, if it is of no kind that reads images and writes
            text, if it comes with code of its own that is not trusted, or does not fit into memory.
    """
    source, name = _source(config.model)
    device = find_device(config.device, "vlm.device")
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" else "fp32"
    with quiet(), _explained(name), no_questions():
        import transformers

        library: Any = transformers  # some of it is not typed
        trust = {"trust_remote_code": config.trust_remote_code}
        own = library.AutoConfig.from_pretrained(source, **trust)
        if not config.trust_remote_code:
            check_kernels(own, f"the VLM {name}")
        given = placed(
            own,
            device=device,
            device_map=config.device_map,
            quantization=config.quantization,
            dtype=_DTYPES[precision],
            trusted=config.trust_remote_code,
        )
        check_quantization(own, f"VLM {name}", "vlm", given)
        processor = library.AutoProcessor.from_pretrained(source, **trust)
        limit_chat_template(processor)
        model, found = library.AutoModelForImageTextToText.from_pretrained(
            source, config=own, output_loading_info=True, **given, **trust
        )
        if found["missing_keys"]:
            some = ", ".join(sorted(found["missing_keys"])[:3])
            raise ModelError(
                f"the VLM {name} lacks weights that a model of its kind has ({some}): its files "
                "may be incomplete, or of another model"
            )
        check_blocks(model, f"VLM {name}", "vlm")
        model.eval().requires_grad_(False)
    threads.fit(model)
    return LoadedModel(
        name=name,
        model=model,
        processor=processor,
        revision=identify(source, files=("config.json",)),
        weights=f"{_named(precision, config)} {sampled_hash(model)}",
    )


def _named(precision: str, config: VLMConfig) -> str:
    return precision if config.quantization == "none" else f"{precision} {config.quantization}"


def _source(model: str) -> tuple[str, str]:
    """What ``from_pretrained`` is given, and the name to show."""
    path = reachable(user_path(model))
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"vlm.model is {model!r}: the folder has no config.json, so it is no transformers "
                "model; give a folder that save_pretrained wrote"
            )
        return str(path.resolve()), path.resolve().name
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise ModelError(
            f"vlm.model is {model!r}: there is no such folder; for vlm.kind = encoder-decoder give "
            "a folder that save_pretrained wrote, or a hub name such as "
            "llava-hf/llava-onevision-qwen2-7b-ov-hf"
        )
    return model, model


def _explained(name: str) -> AbstractContextManager[None]:
    """Say in words what transformers and torch raise while loading."""

    def words(error: Exception, reason: str) -> str:
        if "trust_remote_code" in reason:
            return (
                f"the VLM {name} comes with its own code, which is not run unless "
                "vlm.trust_remote_code = true. Read that code first, or take a model that "
                "transformers knows itself"
            )
        if isinstance(error, ImportError):
            return f"the VLM {name} needs a library that is missing: {reason[:LONGEST]}"
        if "nrecognized configuration class" in reason:
            return (
                f"the VLM {name} is no model that reads images and writes text; for models such as "
                "CLIP set vlm.kind = dual-encoder"
            )
        return (
            f"the VLM {name} can't be loaded: {reason[:LONGEST]}. Check the spelling of vlm.model "
            "and the connection (glov doctor); without one give a local folder"
        )

    return in_words(
        f"the VLM {name} does not fit into the memory of vlm.device; choose a smaller one, "
        "vlm.precision = 'bf16', vlm.quantization = '4bit' or another device",
        words,
    )

"""What a model of transformers takes: an LLM, an encoder-decoder VLM, a model of sentences.

Weights by the headers of its files, or where these are out of reach by its configuration, built on
torch's ``meta`` device. What comes on top is counted from the configuration, rather too high than
too low.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from engine.common.user_path import reachable, user_path
from engine.common.wording import counted
from engine.config import LLMConfig, RunConfig, VLMConfig, names_gguf
from engine.llm.gguf import check_bits, gguf_folder
from engine.models.code import no_questions
from engine.models.device import device_names, find_device, name_in_full
from engine.models.placing import check_quantization, dtype_of, placed, stays_packed
from engine.models.quiet import quiet
from engine.placement import stored
from engine.placement.needs import Needs, check_layers, loaded_bytes
from engine.placement.stored import Stored
from engine.vlm.encoder_decoder.prefix_memory import GIB, bytes_per_token

TASK_TOKENS = 400
"""Of a meta-prompt without its examples, about."""
_CHARACTERS = 3  # of a token, at least
_EXAMPLE_TOKENS = 12  # around each example: its number and its accuracy
_IMAGE_TOKENS = 576  # where a configuration does not tell
_IMAGES_AT_ONCE = 32  # at most, of an encoder-decoder
_FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class _Found(NamedTuple):
    tensors: tuple[Stored, ...]
    rests_on: str


def of_llm(config: RunConfig, llm: LLMConfig, what: str = "LLM") -> Needs:
    """What an LLM takes; ``llm`` is the proposing one's section, or a judge's.

    Raises:
        ModelError: if this machine can't load it in the bits that it is to have.
        Exception: whatever its files or its configuration raise.
    """
    check_bits(llm)
    devices = _devices(llm.device, llm.device_map, "llm.device")
    own = _config(llm.model, llm.revision, llm.trust_remote_code)
    found = _tensors(llm.model, llm.revision, own)
    dtype = _dtype_of_llm(llm, devices, own, found.tensors)
    if not names_gguf(llm.model):
        check_quantization(own, f"LLM {llm.model}", "llm", _given(llm, devices, dtype, own))
    weights = _weights(found.tensors, dtype, own, llm)
    work: dict[str, int] = {}
    with _as_far_as_known():
        work = _work_of_llm(config, own, dtype)
    return Needs(what, "llm", llm.model, devices, weights, found.rests_on, work)


def _work_of_llm(config: RunConfig, own: Any, dtype: torch.dtype) -> dict[str, int]:
    prompt = prompt_tokens(config)
    rows, new = config.proposal.candidates, config.sampling.max_new_tokens
    text = own.get_text_config(decoder=True)
    logits = 2 * rows * int(getattr(text, "vocab_size", 0)) * 4 * 3
    replies, tokens = counted(rows, "reply", "replies"), counted(new, "token")
    return {
        f"keys and values ({replies} of {tokens}, a prompt of about {prompt})": (
            rows * (prompt + new) * _per_token(own, dtype)
        ),
        "activations": _activations(text, prompt, dtype) + logits,
    }


def of_vlm(vlm: VLMConfig) -> Needs:
    """What an encoder-decoder takes.

    Raises:
        ModelError: if this machine can't load it in the bits that it is to have.
        Exception: whatever its files or its configuration raise.
    """
    devices = _devices(vlm.device, vlm.device_map, "vlm.device")
    precision = vlm.precision
    if precision == "auto":
        precision = "bf16" if devices[0].startswith("cuda") else "fp32"
    dtype = _DTYPES[precision]
    own = _config(vlm.model, None, vlm.trust_remote_code)
    check_quantization(own, f"VLM {vlm.model}", "vlm", _given(vlm, devices, dtype, own))
    found = _tensors(vlm.model, None, own)
    work: dict[str, int] = {}
    with _as_far_as_known():
        work = _work_of_vlm(vlm, own, dtype)
    weights = _weights(found.tensors, dtype, own, vlm)
    return Needs("VLM", "vlm", vlm.model, devices, weights, found.rests_on, work)


def _work_of_vlm(vlm: VLMConfig, own: Any, dtype: torch.dtype) -> dict[str, int]:
    images, tokens = min(vlm.image_batch, _IMAGES_AT_ONCE), _image_tokens(own)
    kept = f"keys and values of {counted(images, 'image')}"
    size = images * tokens * _per_token(own, dtype)
    if vlm.prefix_gib != "auto":
        kept, size = "keys and values of images (vlm.prefix_gib)", int(vlm.prefix_gib * GIB)
    return {
        kept: size,
        "activations": _activations(own.get_text_config(decoder=True), images * tokens, dtype),
    }


def _as_far_as_known() -> AbstractContextManager[None]:
    """For what is read of a configuration: each family calls its figures as it likes."""
    return suppress(AttributeError, TypeError, ValueError, ZeroDivisionError)


def of_embedder(vlm: VLMConfig) -> Needs:
    """What the model takes that compares answers with class names; float32, as it is loaded.

    Raises:
        Exception: whatever its files raise.
    """
    devices = _devices(vlm.device, None, "vlm.device")
    found = _tensors(vlm.embedder, None, None)
    weights = loaded_bytes(found.tensors, 4, stored_bytes_each=4)
    return Needs("embedder", "vlm", vlm.embedder, devices, weights or None, found.rests_on, {})


def prompt_tokens(config: RunConfig) -> int:
    """Of the longest meta-prompt of a run, about: all examples as long as a reply may be."""
    proposal = config.proposal
    of_each = config.sampling.max_new_tokens + _EXAMPLE_TOKENS
    written = len(proposal.system_prompt or "") + len(proposal.task or "")
    return TASK_TOKENS + written // _CHARACTERS + 2 * proposal.examples * of_each


def _devices(wanted: str, device_map: str | None, key: str) -> tuple[str, ...]:
    if device_map is not None:
        names = device_names()
        return tuple(name for name in names if name.startswith("cuda")) or ("cpu",)
    return (name_in_full(find_device(wanted, key)),)


def _given(
    section: LLMConfig | VLMConfig, devices: tuple[str, ...], dtype: torch.dtype, own: Any
) -> dict[str, Any]:
    return placed(
        own,
        device=torch.device(devices[0]),
        device_map=section.device_map,
        quantization=section.quantization,
        dtype=dtype,
        trusted=section.trust_remote_code,
    )


def _config(model: str, revision: str | None, trusted: bool) -> Any:
    import transformers

    library: Any = transformers
    options: dict[str, Any] = {"trust_remote_code": trusted}
    if names_gguf(model):
        _check_is_here(model, revision)
        with quiet(), no_questions(), gguf_folder(model, revision) as (folder, file):
            try:
                return library.AutoConfig.from_pretrained(folder, gguf_file=file, **options)
            except (struct.error, IndexError) as error:
                raise ValueError("the file is damaged, or not all of it is there") from error
    if revision is not None:
        options["revision"] = revision
    with quiet(), no_questions():
        return library.AutoConfig.from_pretrained(_source(model), **options)


def _check_is_here(model: str, revision: str | None) -> None:
    """See that a GGUF file is on this machine: nothing is downloaded for an estimate."""
    if reachable(user_path(model)).is_file() or model.count("/") < 2:
        return
    import huggingface_hub

    owner, name, file = model.split("/", 2)
    found = huggingface_hub.try_to_load_from_cache(f"{owner}/{name}", file, revision=revision)
    if not isinstance(found, str):
        raise FileNotFoundError("the file is not here")


def _source(model: str) -> str:
    path = reachable(user_path(model))
    return str(path) if path.is_dir() else model


def _tensors(model: str, revision: str | None, own: Any) -> _Found:
    if names_gguf(model):
        with gguf_folder(model, revision) as (folder, file):
            return _Found(stored.of_gguf(Path(folder) / file), "the file, unpacked")
    source = _source(model)
    if Path(source).is_dir():
        found = stored.of_folder(Path(source))
    else:
        found = stored.of_hub(source, revision)
    if found:
        exact = not any(tensor.is_pickled for tensor in found)
        return _Found(found, "headers of its files" if exact else "sizes of its files")
    if own is None:
        return _Found((), "not known: its files are not here, and the hub can't be reached")
    return _Found(_on_meta(own), "its configuration")


def _on_meta(own: Any) -> tuple[Stored, ...]:
    """The parameters that a model of this configuration has. None of them takes memory."""
    import transformers

    library: Any = transformers
    kinds = (library.AutoModelForCausalLM, library.AutoModelForImageTextToText)
    kind = next((k for k in kinds if type(own) in k._model_mapping), None)
    if kind is None:
        raise ValueError(f"a model of type {own.model_type} is not one that writes text")
    for part in (own.get_text_config(decoder=True), getattr(own, "vision_config", None)):
        check_layers(getattr(part, "num_hidden_layers", 0))
    with quiet(), torch.device("meta"):
        model = kind.from_config(own)
    return tuple(
        Stored(name, "BF16", tuple(tensor.shape)) for name, tensor in model.named_parameters()
    )


def _dtype_of_llm(
    llm: LLMConfig, devices: tuple[str, ...], own: Any, tensors: Sequence[Stored]
) -> torch.dtype:
    """As loading takes it: what the configuration does not tell, the first weights do."""
    if llm.dtype != "auto":
        return getattr(torch, llm.dtype)  # type: ignore[no-any-return]
    if devices == ("cpu",) and llm.device_map is None:
        return torch.float32
    if isinstance(getattr(own, "dtype", None), torch.dtype) or names_gguf(llm.model):
        return dtype_of(own)
    first = next((_FLOATS[one.dtype] for one in tensors if one.dtype in _FLOATS), None)
    return dtype_of(own) if first is None else first


def _weights(
    tensors: tuple[Stored, ...], dtype: torch.dtype, own: Any, section: LLMConfig | VLMConfig
) -> int | None:
    tied = bool(getattr(own.get_text_config(decoder=True), "tie_word_embeddings", False))
    size = loaded_bytes(
        tensors,
        dtype.itemsize,
        stored_bytes_each=dtype_of(own).itemsize,
        quantization=section.quantization,
        unpacked=not stays_packed(own, section.trust_remote_code),
        tied=tied or bool(getattr(own, "tie_word_embeddings", False)),
    )
    return size or None


def _per_token(own: Any, dtype: torch.dtype) -> int:
    """Bytes of keys and values of one token; layers without attention have none."""
    kinds = getattr(own.get_text_config(decoder=True), "layer_types", None) or ()
    if not kinds:
        return bytes_per_token(own, dtype)
    attending = sum("attention" in kind and "linear" not in kind for kind in kinds)
    return bytes_per_token(own, dtype) * attending // len(kinds)


def _activations(text: Any, tokens: int, dtype: torch.dtype) -> int:
    hidden = int(text.hidden_size)
    inner = getattr(text, "intermediate_size", None) or 4 * hidden
    inner = max(inner) if isinstance(inner, list | tuple) else int(inner)
    return tokens * (6 * hidden + 3 * inner) * dtype.itemsize


def _image_tokens(own: Any) -> int:
    vision = getattr(own, "vision_config", None)
    size, patch = (getattr(vision, name, None) for name in ("image_size", "patch_size"))
    size = size[0] if isinstance(size, list | tuple) and size else size
    patch = patch[0] if isinstance(patch, list | tuple) and patch else patch
    if not isinstance(size, int) or not isinstance(patch, int) or patch <= 0:
        return _IMAGE_TOKENS
    return max(1, (size // patch) ** 2)

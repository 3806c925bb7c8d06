"""Loading a causal language model and its tokenizer from the hub or from disk, quietly.

Every way in which this usually fails becomes a ``ModelError`` that says what to do. Weights are
safetensors, or pickles read with ``weights_only``; code that comes with a model is not run unless
``llm.trust_remote_code`` says so (see ``engine.models.code``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from engine.common.errors import ModelError
from engine.common.user_path import reachable, user_path
from engine.config import LLMConfig, names_gguf
from engine.llm.gguf import check_bits, gguf_folder, unpacking
from engine.models import threads
from engine.models.code import check_kernels, no_questions
from engine.models.device import find_device
from engine.models.memory import is_out_of_memory
from engine.models.placing import check_blocks, check_quantization, placed
from engine.models.quiet import quiet
from engine.prompts.jinja_limits import limit_chat_template

Progress = Callable[[str], None]


_SAID_TOO_LONG = "sequence-length-is-longer-than-the-specified-maximum"  # transformers' own key


def load_model(config: LLMConfig, progress: Progress) -> tuple[Any, Any]:
    """The model, on its device and in eval mode, and its tokenizer.

    Raises:
        ModelError: if the model can't be found or reached, is no causal language model, needs a
            library that is missing, or does not fit into memory; or if the device is not there.
    """
    device = find_device(config.device, "llm.device")
    with quiet(), _explained(config), no_questions(), _source(config) as (source, common):
        progress(f"the tokenizer of {config.model}")
        model_config = AutoConfig.from_pretrained(source, **common)
        if getattr(model_config, "is_encoder_decoder", False):
            raise ModelError(_not_causal(config.model, model_config))
        if not config.trust_remote_code:
            check_kernels(model_config, f"the LLM {config.model!r}")
        given = placed(
            model_config,
            device=device,
            device_map=config.device_map,
            quantization=config.quantization,
            dtype=_dtype(config, device),
            trusted=config.trust_remote_code,
        )
        if names_gguf(config.model):
            check_bits(config)
            given |= unpacking()
        else:
            check_quantization(model_config, f"LLM {config.model}", "llm", given)
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        limit_chat_template(tokenizer)
        # What is too long is said with the key that mends it (LocalLLM), not as "indexing errors".
        tokenizer.deprecation_warnings[_SAID_TOO_LONG] = True
        progress(f"the weights of {config.model}")
        arguments: dict[str, Any] = {**given, **common}
        if config.attention != "auto":
            arguments["attn_implementation"] = config.attention
        arguments |= {"config": model_config, "output_loading_info": True}
        loaded: Any = AutoModelForCausalLM.from_pretrained(source, **arguments)
        model, found = loaded
        _check_complete(config.model, found["missing_keys"])
        check_blocks(model, f"LLM {config.model}", "llm")
        model.eval().requires_grad_(False)
    threads.fit(model)
    return model, tokenizer


def _dtype(config: LLMConfig, device: torch.device) -> torch.dtype | str:
    if config.dtype != "auto":
        dtype: torch.dtype = getattr(torch, config.dtype)
        return dtype
    if device.type == "cpu" and config.device_map is None:
        return torch.float32  # 16 bits are slow on most CPUs, and some have no kernels for them
    if names_gguf(config.model):  # packed weights have no type of their own
        no_bfloat16 = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
        return torch.float16 if no_bfloat16 else torch.bfloat16
    return "auto"


@contextmanager
def _source(config: LLMConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """What ``from_pretrained`` is given: a folder or a hub name, and what goes with it.

    Raises:
        ModelError: if the name is written as a path and there is no model.
    """
    options: dict[str, Any] = {"trust_remote_code": config.trust_remote_code}
    if names_gguf(config.model):
        with gguf_folder(config.model, config.revision) as (folder, file):
            yield folder, {**options, "gguf_file": file}
        return
    if config.revision is not None:
        options["revision"] = config.revision
    yield _folder_or_name(config.model), options


def _folder_or_name(name: str) -> str:
    """A folder's path where the name is one, else the hub name."""
    path = reachable(user_path(name))
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"llm.model is {name!r}: the folder {path.resolve()} has no config.json, so it is "
                f"no transformers model. {_instead_of(path)}"
            )
        return str(path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        if path.is_file():
            raise ModelError(
                f"llm.model is {name!r}: this is a file, and only GGUF files are read, whose names "
                "end in .gguf. Give the folder that it belongs to."
            )
        raise ModelError(
            f"llm.model is {name!r}: there is no folder {path.absolute()}. Give an existing model "
            "folder, a GGUF file, or a hub name such as org/name."
        )
    return name


def _instead_of(folder: Path) -> str:
    """What to give in place of a folder that is no model."""
    files = sorted(p.name for p in folder.iterdir() if names_gguf(p.name) and p.is_file())
    if files:
        return f"It has GGUF files: give one of them, e.g. {folder / files[0]}."
    return "Give the folder that save_pretrained wrote."


def _check_complete(name: str, missing: Collection[str]) -> None:
    """See that every weight came from the files: transformers makes up those that did not."""
    if missing:
        some = ", ".join(sorted(missing)[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ModelError(
            f"the LLM {name!r} lacks weights that a model of its kind has: {some}{more}. Its "
            "replies would be noise. Its files may be incomplete, or of another model; download "
            "it again."
        )


@contextmanager
def _explained(config: LLMConfig) -> Iterator[None]:
    """Turn what transformers and torch raise while loading into a ``ModelError``."""
    name = config.model
    try:
        yield
    except ModelError:
        raise
    except MemoryError as error:
        raise ModelError(_too_large(name)) from error
    except ImportError as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelError(f"the LLM {name!r} needs a library that is missing: {first}") from error
    except OSError as error:
        raise ModelError(_not_found(name, error)) from error
    except ValueError as error:
        if "nrecognized configuration class" in str(error):
            raise ModelError(_not_causal(name)) from error
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"the LLM {name!r} comes with its own code, which is not run unless "
                "llm.trust_remote_code = true. Read that code first."
            ) from error
        raise ModelError(f"the LLM {name!r} can't be loaded: {error}{_limits(name)}") from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise ModelError(_too_large(name)) from error
        if "ignore_mismatched_sizes" in str(error):
            raise ModelError(
                f"the LLM {name!r} can't be loaded: its weights have other shapes than its "
                f"configuration says, so its files may be of two models{_limits(name)}"
            ) from error
        raise ModelError(f"the LLM {name!r} can't be loaded: {error}{_limits(name)}") from error
    except Exception as error:  # damaged files: safetensors, JSON and tokenizers have their own
        raise ModelError(
            f"the LLM {name!r} can't be loaded, its files may be damaged: "
            f"{type(error).__name__}: {error}{_limits(name)}"
        ) from error


def _limits(name: str) -> str:
    """What else may be wrong with a GGUF file."""
    if not names_gguf(name):
        return ""
    return (
        f" (transformers {transformers.__version__} reads whole GGUF files of some architectures; "
        "the model's own hub name or folder may do)"
    )


def _not_found(name: str, error: OSError) -> str:
    first = " ".join(str(error).split())[:300]
    if user_path(name).is_dir():
        return f"the LLM folder {name!r} can't be read: {first}"
    return (
        f"the LLM {name!r} was not found on the hub or in its local cache, or the hub can't be "
        "reached. Check the spelling of llm.model and the connection (glov doctor); for a gated "
        "model log in with `hf auth login`; without a connection set llm.model to a local folder. "
        f"transformers {transformers.__version__} said: {first}"
    )


def _not_causal(name: str, config: Any = None) -> str:
    kind = f" (it is of type {config.model_type})" if config is not None else ""
    return (
        f"the LLM {name!r} is no causal language model{kind}. llm.model must be a decoder-only "
        "text generator, such as Llama, Qwen, Mistral or Gemma."
    )


def _too_large(name: str) -> str:
    return (
        f"out of memory while loading the LLM {name!r}. Choose a smaller llm.model, 16 bits "
        "(llm.dtype = 'bfloat16'), fewer (llm.quantization = '4bit'), another llm.device, or "
        "spread it over several GPUs with llm.device_map = 'auto'."
    )

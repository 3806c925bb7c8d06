"""Loading an open_clip model with its own tokenizer and transform, and saying why it can't be.

No code that comes with a model is run, whatever its files say: see ``engine.models.code``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import open_clip
import torch
from torch import Tensor, nn

from engine.common.collecting import uncollected
from engine.common.errors import ModelError
from engine.common.names import nearest
from engine.common.user_path import reachable, user_path, why_not_there
from engine.config import VLMConfig
from engine.models import threads
from engine.models.code import check_kernels, no_questions
from engine.models.device import find_device
from engine.models.identity import identify, sampled_hash
from engine.models.memory import is_out_of_memory
from engine.models.uninitialised import filled_from_file
from engine.vlm.dual_encoder.code import check_tokenizer_options
from engine.vlm.dual_encoder.naming import FOLDER, HUB, listed_name, local_folder

_HUB_FILES = ("open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_NETWORK_HELP = (
    "Check the network (HF_HUB_OFFLINE=1 ends the tries at once). Without one, fetch the weights "
    "elsewhere and give them by path: "
    'vlm.pretrained = "/path/to/weights.safetensors", or vlm.model = "./folder" with '
    "open_clip_config.json and the weights in it."
)

Precision = Literal["fp32", "fp16", "bf16"]


@dataclass(frozen=True, slots=True)
class OpenClipModel:
    """A loaded model with all that goes with it. ``key`` tells apart any two image towers."""

    name: str
    model: nn.Module
    preprocess: Callable[[Any], Tensor]
    tokenizer: Callable[[list[str]], Tensor]
    device: torch.device
    dtype: torch.dtype  # of the images that the model takes
    logit_scale: float
    key: str
    revision: str  # of the files, where it is known
    weights: str  # the precision, and a hash of what was loaded


@uncollected()
def load_open_clip(config: VLMConfig, report: Callable[[str], None]) -> OpenClipModel:
    """Load the model that the configuration names, in eval mode, on its device.

    ``model`` is a name that open_clip knows (with ``pretrained``, a tag of that model or a file
    of weights), ``hf-hub:org/name``, or a folder with ``open_clip_config.json`` and weights,
    recognised by a leading ``/``, ``./``, ``../`` or ``~``.

    Raises:
        ModelError: naming the key and value that can't be used and what is allowed instead.
    """
    name, shown = _resolve(config, report)
    device = find_device(config.device, "vlm.device")
    precision = _resolve_precision(config.precision, device)
    pretrained = None
    if not name.startswith((HUB, FOLDER)):
        pretrained = _pretrained(name, config.pretrained)
        _check_activation(name, pretrained, report)
    with _explained(shown, config), no_questions(), _without_remarks():
        tokenizer_options = _checked_options(name, shown)
        model, preprocess = _created(name, pretrained, precision, device)
        tokenizer = open_clip.get_tokenizer(name, **tokenizer_options)
    model.eval()
    threads.fit(model)
    return OpenClipModel(
        name=shown,
        model=model,
        preprocess=preprocess,
        tokenizer=tokenizer,
        device=device,
        dtype=open_clip.get_input_dtype(precision) or torch.float32,
        logit_scale=_logit_scale(model, shown),
        key="\n".join(
            (
                shown,
                precision,
                device.type,
                open_clip.__version__,
                repr(preprocess),
                sampled_hash(model.visual),
            )
        ),
        revision=_revision(name, pretrained),
        weights=f"{precision} {_hash_of_all(model, preprocess, tokenizer)}",
    )


def _created(
    name: str, pretrained: str | None, precision: Precision, device: torch.device
) -> tuple[nn.Module, Callable[[Any], Tensor]]:
    for in_pieces in (True, False):
        try:
            with filled_from_file(in_pieces):
                made: tuple[nn.Module, Callable[[Any], Tensor]]
                made = open_clip.create_model_from_pretrained(
                    name,
                    pretrained=pretrained,
                    precision=precision,
                    device=device,
                    weights_only=True,
                )
                return made
        except RuntimeError as error:
            if not in_pieces or "mmap" not in str(error):
                raise
    raise AssertionError


def check_name(config: VLMConfig) -> None:
    """See that there is such a model and such weights, as far as that is known without loading.

    Raises:
        ModelError: as ``load_open_clip``.
    """
    name, _ = _resolve(config, lambda _: None)
    if not name.startswith((HUB, FOLDER)):
        _pretrained(name, config.pretrained)


def _resolve_precision(wanted: Precision | Literal["auto"], device: torch.device) -> Precision:
    if wanted != "auto":
        return wanted
    return "fp16" if device.type == "cuda" else "fp32"


def _resolve(config: VLMConfig, report: Callable[[str], None]) -> tuple[str, str]:
    """The name for open_clip, and the name to show."""
    name = config.model
    folder = local_folder(name)
    if folder is not None:
        _check_folder(reachable(folder))
        if config.pretrained is not None:
            report("vlm.pretrained is not used: the weights come from the folder vlm.model")
        return f"{FOLDER}{folder.resolve()}", folder.resolve().name
    if name.startswith(HUB):
        if config.pretrained is not None:
            report("vlm.pretrained is not used: the weights come with the hub model vlm.model")
        return name, name.removeprefix(HUB)
    known = open_clip.list_models()
    cleaned = listed_name(name)
    if cleaned not in known:
        raise ModelError(f"vlm.model is {name!r}, {_unknown_model(name, cleaned, known)}")
    shown = cleaned if config.pretrained is None else f"{cleaned} ({config.pretrained})"
    return cleaned, shown


def _unknown_model(name: str, cleaned: str, known: list[str]) -> str:
    if why_not_there(Path(name)) is None and Path(name).is_dir():
        return f"which is no open_clip model; if you mean the folder, write './{name}'"
    by_folded = {known_name.casefold(): known_name for known_name in known}
    near = get_close_matches(cleaned.casefold(), by_folded, n=4, cutoff=0.5)
    hints = ", ".join(by_folded[match] for match in near)
    if name.count("/") == 1 and not hints:
        return f"which is no open_clip model; a hub model is written {HUB}{name}"
    return (
        f"which is no open_clip model; near it are {hints}"
        if hints
        else "which is no open_clip model; give an open_clip name such as ViT-B-32-quickgelu, "
        "hf-hub:org/name, or a folder (./dir)"
    )


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"vlm.model is the folder {folder}, which doesn't exist")
    if not (folder / "open_clip_config.json").is_file():
        raise ModelError(
            f"{folder}: no open_clip_config.json in it; vlm.model must be a folder that open_clip "
            "saved, with the configuration and the weights"
        )
    if not any(file.suffix in (".safetensors", ".bin", ".pth") for file in folder.iterdir()):
        raise ModelError(f"{folder}: no weights in it (.safetensors, .bin or .pth)")


def _pretrained(name: str, pretrained: str | None) -> str:
    """A tag of this model or an existing file."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    listed = f"{name} has the tags {', '.join(tags)}" if tags else f"{name} has no tags"
    if pretrained is None:
        raise ModelError(f"vlm.pretrained is missing; {listed}, or give a file of weights")
    if open_clip.is_pretrained_cfg(name, pretrained):
        return pretrained
    file = reachable(user_path(pretrained))
    if file.is_file():
        return str(file)
    near = nearest(pretrained, tags)
    hint = f"did you mean {near!r}? " if near is not None else ""
    raise ModelError(
        f"vlm.pretrained is {pretrained!r}, which is neither a tag nor a file; {hint}{listed}"
    )


def _check_activation(name: str, pretrained: str, report: Callable[[str], None]) -> None:
    """open_clip loads weights into a model with another activation and only warns on stderr."""
    tag = open_clip.get_pretrained_cfg(name, pretrained)
    model = open_clip.get_model_config(name) or {}
    if not tag or tag.get("quick_gelu", False) == model.get("quick_gelu", False):
        return
    other = f"{name}-quickgelu"
    hint = f"; use vlm.model = {other!r}" if other in open_clip.list_models() else ""
    report(f"{name} has another activation than {pretrained} was trained with{hint}")


def _checked_options(name: str, shown: str) -> dict[str, Any]:
    """Look for code in a model's configuration; returns what its tokenizer is to be told.

    Raises:
        ModelError: naming what would run code.
        ValueError: if there is no configuration that can be read.
    """
    try:
        model_config = open_clip.get_model_config(name)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"its open_clip_config.json can't be read: {error}") from error
    text = model_config.get("text_cfg") if isinstance(model_config, Mapping) else None
    if not isinstance(text, Mapping):
        return {}  # open_clip says what is wrong with it
    check_tokenizer_options(text, shown)
    if text.get("hf_model_name"):
        from transformers import AutoConfig

        found = AutoConfig.from_pretrained(text["hf_model_name"], trust_remote_code=False)
        check_kernels(found, shown)
    return {"trust_remote_code": False} if text.get("hf_tokenizer_name") else {}


@contextmanager
def _without_remarks() -> Iterator[None]:
    """open_clip says on the root logger, and so on stderr, what it raises too."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)


@contextmanager
def _explained(shown: str, config: VLMConfig) -> Iterator[None]:
    """Turn what open_clip, the hub and torch raise into one message that says what to do."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if is_out_of_memory(error):  # of the host too
            raise ModelError(
                f"{shown} doesn't fit into the memory of vlm.device = {config.device!r}; "
                "choose a smaller model, vlm.precision = 'fp16' or another device"
            ) from error
        reason = " ".join(str(error).split()).rstrip(".!") or type(error).__name__
        if "trust_remote_code" in reason:
            raise ModelError(
                f"{shown} can't be loaded: it comes with its own code, and no code of a VLM is "
                "ever run. Take a model that open_clip and transformers know themselves"
            ) from error
        if len(reason) > 400:
            reason = f"{reason[:400]} ..."
        offline = re.search(
            r"connect|resolve|offline|timed? ?out|network|unreachable|download|urlopen|hub",
            f"{reason} {type(error).__name__}",
            re.IGNORECASE,
        )
        help_text = f" {_NETWORK_HELP}" if offline else ""
        raise ModelError(f"{shown} can't be loaded: {reason}.{help_text}") from error


def _logit_scale(model: nn.Module, shown: str) -> float:
    scale = model.logit_scale
    value = float(scale.detach().float().exp().reshape(-1)[0]) if isinstance(scale, Tensor) else 0
    if not 0 < value < float("inf"):
        raise ModelError(f"{shown}: its logit scale is {value}; the weights are damaged")
    return value


def _revision(name: str, pretrained: str | None) -> str:
    if name.startswith(FOLDER):
        return identify(name.removeprefix(FOLDER))
    if name.startswith(HUB):
        return identify(name.removeprefix(HUB), files=_HUB_FILES)
    assert pretrained is not None
    tag = open_clip.get_pretrained_cfg(name, pretrained)
    if not tag:
        return identify(pretrained)
    repository = "/".join(str(tag.get("hf_hub") or "").split("/")[:2])
    commit = identify(repository, files=_HUB_FILES) if repository.count("/") == 1 else ""
    return commit or f"tag {pretrained}"


def _hash_of_all(
    model: nn.Module, preprocess: object, tokenizer: Callable[[list[str]], Tensor]
) -> str:
    """Hash of both towers, of what is done to an image before, and of how a text is read."""
    tokens = tokenizer(["a photo of 2 Things, seen from above."])
    described = (sampled_hash(model), repr(preprocess), tokens.tolist())
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]

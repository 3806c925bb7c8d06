"""What a dual encoder of open_clip takes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from engine.common.user_path import reachable, user_path
from engine.common.wording import counted
from engine.config import VLMConfig
from engine.models.device import find_device, name_in_full
from engine.models.quiet import quiet
from engine.placement import stored
from engine.placement.needs import Needs, loaded_bytes
from engine.placement.stored import Stored
from engine.vlm.dual_encoder.naming import HUB, listed_name, local_folder

_STEM = "open_clip_model"
_OF_A_LAYER = 12
"""Numbers of a layer that are there at once, times its width: queries, keys, the inner layer."""


def of_dual_encoder(vlm: VLMConfig, images: int | None) -> Needs:
    """What it takes, with the features of ``images`` images (None: not known).

    Raises:
        Exception: whatever its files or its configuration raise.
    """
    import open_clip

    device = name_in_full(find_device(vlm.device, "vlm.device"))
    half = vlm.precision in ("fp16", "bf16") or (
        vlm.precision == "auto" and device.startswith("cuda")
    )
    each = 2 if half else 4
    folder = local_folder(vlm.model)
    shape: Any
    if folder is not None:
        shape = open_clip.get_model_config(f"local-dir:{reachable(folder)}")
    elif vlm.model.startswith(HUB):
        shape = open_clip.get_model_config(vlm.model)
    else:
        shape = open_clip.get_model_config(listed_name(vlm.model))
    tensors, rests_on = _tensors(vlm, folder)
    weights = loaded_bytes(tensors, each, stored_bytes_each=4) or None
    return Needs(
        "VLM", "vlm", vlm.model, (device,), weights, rests_on, _work(vlm, shape, each, images)
    )


def _tensors(vlm: VLMConfig, folder: Path | None) -> tuple[tuple[Stored, ...], str]:
    found: tuple[Stored, ...] = ()
    file = None if vlm.pretrained is None else reachable(user_path(vlm.pretrained))
    if folder is not None:
        found = stored.of_folder(reachable(folder), _STEM)
    elif vlm.model.startswith(HUB):
        found = stored.of_hub(vlm.model.removeprefix(HUB), stem=_STEM)
    elif file is not None and file.is_file():
        found = tuple(stored.of_file(file))
    if found:
        exact = not any(tensor.is_pickled for tensor in found)
        return found, "headers of its files" if exact else "sizes of its files"
    if folder is not None or vlm.model.startswith(HUB):
        return (), "not known: its files are not here, and the hub can't be reached"
    return _on_meta(listed_name(vlm.model)), "its configuration"


def _on_meta(name: str) -> tuple[Stored, ...]:
    """The parameters of a model that open_clip knows by name. None of them takes memory."""
    import open_clip
    from accelerate import init_empty_weights

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with quiet(), init_empty_weights():
            model = open_clip.create_model(
                name, load_weights=False, pretrained_text=False, device="meta"
            )
    finally:
        root.setLevel(level)
    return tuple(
        Stored(name, "F32", tuple(tensor.shape)) for name, tensor in model.named_parameters()
    )


def _work(vlm: VLMConfig, shape: Any, each: int, images: int | None) -> dict[str, int]:
    vision, text = shape.get("vision_cfg", {}), shape.get("text_cfg", {})
    size = vision.get("image_size", 224)
    side = max(size) if isinstance(size, list | tuple) else int(size)
    patch = vision.get("patch_size") or 16
    width = vision.get("width", 768)
    pixels = 3 * side * side
    image = max(pixels * 4, (side // patch) ** 2 * int(width) * _OF_A_LAYER) * each + pixels * 4
    length, text_width = text.get("context_length", 77), text.get("width", 512)
    texts = vlm.text_batch * length * text_width * _OF_A_LAYER * each
    work = {
        f"activations of {counted(vlm.image_batch, 'image')} or "
        f"{counted(vlm.text_batch, 'text')}": max(vlm.image_batch * image, texts)
    }
    if images is not None:
        work[f"features of {counted(images, 'image')}"] = (
            images * int(shape.get("embed_dim", 512)) * 4
        )
    return work

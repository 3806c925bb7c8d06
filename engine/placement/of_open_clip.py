"""What a dual encoder of open_clip takes: by its configuration, built on the ``meta`` device."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from engine.common.user_path import reachable
from engine.common.wording import counted
from engine.config import VLMConfig
from engine.models.device import find_device, name_in_full
from engine.models.quiet import quiet
from engine.placement.needs import Needs, check_layers
from engine.vlm.dual_encoder.model import check_name
from engine.vlm.dual_encoder.naming import FOLDER, HUB, listed_name, local_folder
from engine.vlm.dual_encoder.text_features import TOKENS_PER_TEXT

_OF_A_LAYER = 20
"""Numbers that are there at once for a token, times its width; measured 13 to 19."""
_OF_A_PIXEL = 30
"""The same for a number of an image, where the tower convolves; measured 23 to 30."""


def of_dual_encoder(vlm: VLMConfig, images: int | None) -> Needs:
    """What it takes, with the features of ``images`` images (None: not known).

    Raises:
        ModelError: if there is no such device or no such model; as loading it raises.
        Exception: whatever its configuration raises.
    """
    import open_clip

    check_name(vlm)
    device = name_in_full(find_device(vlm.device, "vlm.device"))
    precision = vlm.precision
    if precision == "auto":
        precision = "fp16" if device.startswith("cuda") else "fp32"
    folder = local_folder(vlm.model)
    name = vlm.model if vlm.model.startswith(HUB) else listed_name(vlm.model)
    if folder is not None:
        name = f"{FOLDER}{reachable(folder).resolve()}"
    shape: Any = open_clip.get_model_config(name)
    for tower in ("vision_cfg", "text_cfg"):
        check_layers(shape.get(tower, {}).get("layers", 0))
    each = 4 if precision == "fp32" else 2
    work = _work(vlm, shape, each, images)
    weights = _weights(name, precision)
    return Needs("VLM", "vlm", vlm.model, (device,), weights, "its configuration", work)


def _weights(name: str, precision: str) -> int:
    """Bytes of its parameters: embeddings and norms stay in 32 bits. None is written to."""
    import open_clip
    from accelerate import init_empty_weights

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with quiet(), init_empty_weights():
            model = open_clip.create_model(
                name, precision=precision, load_weights=False, pretrained_text=False, device="meta"
            )
    finally:
        root.setLevel(level)
    return sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())


def _work(
    vlm: VLMConfig, shape: Mapping[str, Any], each: int, images: int | None
) -> dict[str, int]:
    image = _image(shape.get("vision_cfg", {}), each)
    text = shape.get("text_cfg", {})
    tokens = max(vlm.text_batch * TOKENS_PER_TEXT, text.get("context_length", 77))
    texts = tokens * text.get("width", 512) * _OF_A_LAYER * each
    work = {
        f"activations of {counted(vlm.image_batch, 'image')} or "
        f"{counted(vlm.text_batch, 'text')}": max(vlm.image_batch * image, texts)
    }
    if images is not None:
        work[f"features of {counted(images, 'image')}"] = (
            images * int(shape.get("embed_dim", 512)) * 4
        )
    return work


def _image(vision: Mapping[str, Any], each: int) -> int:
    """Bytes of one image and of what a tower makes of it."""
    size = vision.get("image_size", 224)
    side = max(size) if isinstance(size, list | tuple) else int(size)
    pixels = 3 * side * side
    convolves = isinstance(vision.get("layers"), list) or "timm_model_name" in vision
    patch, width = vision.get("patch_size") or 16, int(vision.get("width", 768))
    patches = (side // patch) ** 2 + 1
    inside = pixels * _OF_A_PIXEL if convolves else patches * width * _OF_A_LAYER
    return inside * each + pixels * 4

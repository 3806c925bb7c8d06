"""How a model of transformers is told where its weights go, and in how many bits.

Each weight goes from its file straight to its device: of a model on a GPU there never is a copy in
the host's memory. What comes quantised stays as it is, where that takes no code of the hub.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch

from engine.common.errors import ModelError
from engine.config import DeviceMap, Quantization
from engine.models.load_errors import LONGEST
from engine.models.quiet import quiet

HOW_TO_QUANTIZE = "pip install 'glov-tui[quantized]'"
_WHOLE = (
    r"(?:.*\.)?(?:vision_tower|vision_model|vision_backbone|visual|embed_vision)",
    r"(?:.*\.)?(?:multi_modal_projector|connector|image_projection|aligner|mlp1)",
    "lm_head",
)
"""Parts of a model with an image tower that stay as they are: the tower is small and exact."""
_BLOCK = 64  # weights with one scale
_WITH_KERNELS = ("mxfp4", "fp8")
"""Ways to quantise whose fast code is on the hub: compiled, and fetched when a model is loaded."""


def placed(
    own: Any,
    *,
    device: torch.device,
    device_map: DeviceMap | None,
    quantization: Quantization,
    dtype: torch.dtype | str,
    trusted: bool,
) -> dict[str, Any]:
    """What ``from_pretrained`` is given.

    Args:
        own: the model's configuration, as transformers read it.
        device: for all of it, unless ``device_map`` spreads it.
        device_map: ``auto`` and others, see ``llm.device_map``.
        quantization: of its linear layers.
        dtype: that it computes in; ``auto`` is the files' own.
        trusted: whether code that comes with a model may run.
    """
    given: dict[str, Any] = {"device_map": device_map or {"": device}, "dtype": dtype}
    asked = _asked(quantization, dtype if isinstance(dtype, torch.dtype) else dtype_of(own), own)
    if asked is None and quantized_by(own) in _WITH_KERNELS and not trusted:
        asked = _unpacked(own)
    return given if asked is None else {**given, "quantization_config": asked}


def check_quantization(
    own: Any, name: str, section: Literal["llm", "vlm"], given: dict[str, Any]
) -> None:
    """See that this machine can load a model in the bits that it is asked for or comes in.

    Args:
        own: the model's configuration, as transformers read it.
        name: for the message, e.g. "LLM org/name".
        section: of the configuration, for the message.
        given: as ``placed``.

    Raises:
        ModelError: naming the package, the kind of GPU or the key.
    """
    asked, comes = given.get("quantization_config"), quantized_by(own)
    if asked is None and comes is None:
        return
    if asked is not None and comes is not None and not _is_unpacked(asked):
        raise ModelError(
            f"{section}.quantization is set, and the {name} comes quantised already ({comes}): "
            f'set {section}.quantization = "none"'
        )
    from transformers import quantizers

    library: Any = quantizers.AutoHfQuantizer  # type: ignore[attr-defined]
    where = given["device_map"]
    try:
        with quiet():
            if comes is not None:
                asked = library.merge_quantization_configs(_quantization(own), asked)
            quantizer = library.from_config(asked, pre_quantized=comes is not None)
            quantizer.validate_environment(device_map=where, weights_only=True)
    except ImportError as error:
        hint = "" if comes else f" ({HOW_TO_QUANTIZE})"
        raise ModelError(
            f"the {name} {_how(comes)}, which needs a package: {_first(error)}{hint}"
        ) from error
    except (
        Exception
    ) as error:  # each way has its own: RuntimeError, ValueError, NotImplementedError
        mend = f'{section}.quantization = "none"' if comes is None else f"another {section}.model"
        raise ModelError(
            f"the {name} {_how(comes)}, which this machine can't do: {_first(error)}. Use a GPU "
            f"that can, or {mend}"
        ) from error


def check_blocks(model: Any, name: str, section: Literal["llm", "vlm"]) -> None:
    """See that a loaded model's layers of 4 bits can be computed with where they are.

    Raises:
        ModelError: if one on the CPU has rows that are no whole blocks; bitsandbytes takes none.
    """
    for module in model.modules():
        width = getattr(module, "in_features", 0)
        on_cpu = type(module).__name__ == "Linear4bit" and module.weight.device.type == "cpu"
        if on_cpu and width % _BLOCK:
            raise ModelError(
                f"the {name} has a layer of {width} inputs, and 4 bits on a CPU take multiples of "
                f'{_BLOCK} only: set {section}.quantization = "8bit" or "none"'
            )


def quantized_by(own: Any) -> str | None:
    """The way in which a model's files are quantised, by its configuration; None for none."""
    found = _quantization(own)
    if found is None:
        return None
    method = found.get("quant_method") if isinstance(found, dict) else found.quant_method
    return str(getattr(method, "value", method) or "bitsandbytes")


def stays_packed(own: Any, trusted: bool) -> bool:
    """Whether the weights of a model that comes quantised stay so when it is loaded."""
    comes = quantized_by(own)
    return comes is not None and (trusted or comes not in _WITH_KERNELS)


def computes_in_few_bits(model: Any) -> bool:
    """Whether a loaded model multiplies by weights of 4 or 8 bits, so that it rounds coarsely."""
    asked = getattr(getattr(model, "hf_quantizer", None), "quantization_config", None)
    return asked is not None and not _is_unpacked(asked)


def _quantization(own: Any) -> Any:
    return getattr(own, "quantization_config", None) or getattr(
        own.get_text_config(decoder=True), "quantization_config", None
    )


def _asked(quantization: Quantization, dtype: torch.dtype, own: Any) -> Any:
    if quantization == "none":
        return None
    logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)  # it says something of each layer
    from transformers import BitsAndBytesConfig

    config: Any = BitsAndBytesConfig
    sees = getattr(own, "vision_config", None) is not None
    whole = list(_WHOLE) if sees else None  # else what the library leaves: the head
    if quantization == "8bit":
        # Without its threshold for outliers, which looks at all tokens and rows that are read
        # together: a token's logits would rest on later ones, and on the replies beside it.
        return config(load_in_8bit=True, llm_int8_threshold=0.0, llm_int8_skip_modules=list(_WHOLE))
    # NormalFloat, its scales quantised too, as in QLoRA (arXiv 2305.14314).
    return config(
        load_in_4bit=True,
        llm_int8_skip_modules=whole,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _unpacked(own: Any) -> Any:
    import transformers

    library: Any = transformers
    kind = library.Mxfp4Config if quantized_by(own) == "mxfp4" else library.FineGrainedFP8Config
    return kind(dequantize=True)


def _is_unpacked(asked: Any) -> bool:
    return bool(getattr(asked, "dequantize", False))


def dtype_of(own: Any) -> torch.dtype:
    """Of a model's files, by its configuration; bfloat16 where that does not tell."""
    dtype = getattr(own, "dtype", None)
    return dtype if isinstance(dtype, torch.dtype) else torch.bfloat16


def _how(comes: str | None) -> str:
    return "is to be quantised" if comes is None else f"comes quantised ({comes})"


def _first(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".")[:LONGEST]

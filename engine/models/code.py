"""Code that comes with a model, and how it is kept from running.

A model's files can name code in four ways: an ``auto_map`` in its JSON files (transformers' remote
code), keyword arguments for a tokenizer in ``open_clip_config.json``, an attention kernel of the
hub in ``config.json``, and pickled weights. Weights are read with ``weights_only`` by torch 2.6
and later; the rest is refused here, unless the configuration trusts the model by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.common.errors import ModelError

TOKENIZER_OPTIONS = frozenset(
    {
        "add_bos_token",
        "add_eos_token",
        "add_prefix_space",
        "additional_special_tokens",
        "clean",
        "do_lower_case",
        "language",
        "legacy",
        "padding_side",
        "reduction_mask",
        "strip_sep_token",
        "truncation_side",
        "use_fast",
    }
)
"""What an open_clip model may ask of its tokenizer. Other options load code, or files by name."""

_DOWNLOADING_MASK = "syntax"  # of `reduction_mask`; has NLTK fetch pickles


@contextmanager
def no_questions() -> Iterator[None]:
    """Have transformers refuse remote code where nobody said anything about it.

    It would ask on the terminal otherwise, and take a "y" from wherever standard input comes.
    """
    from transformers import dynamic_module_utils as remote

    before = remote.TIME_OUT_REMOTE_CODE
    remote.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    finally:
        remote.TIME_OUT_REMOTE_CODE = before


def check_tokenizer_options(text_config: Mapping[str, Any], model: str) -> None:
    """See that the text part of an ``open_clip_config.json`` asks for nothing that runs code.

    Raises:
        ModelError: naming what it asks for.
    """
    options = text_config.get("tokenizer_kwargs") or {}
    if not isinstance(options, Mapping):
        raise ModelError(f"{model}: text_cfg.tokenizer_kwargs is {options!r}; it should be a table")
    refused = sorted(set(options) - TOKENIZER_OPTIONS)
    if options.get("reduction_mask") == _DOWNLOADING_MASK:
        refused.append(f"reduction_mask = {_DOWNLOADING_MASK!r}")
    if refused:
        raise ModelError(
            f"{model}: text_cfg.tokenizer_kwargs in its open_clip_config.json asks for "
            f"{', '.join(refused)}, which can run code or read files that come with the model; no "
            "code of a VLM is ever run. If you trust the rest of it, use a copy of the folder "
            "without that"
        )


def check_kernels(model_config: Any, model: str) -> None:
    """See that a transformers configuration names no attention kernel: compiled code of the hub.

    Args:
        model_config: as transformers read it; ``None`` for none.
        model: for the message.

    Raises:
        ModelError: naming the kernel.
    """
    if model_config is None:
        return
    parts = [model_config]
    for name in getattr(model_config, "sub_configs", None) or ():
        parts.append(getattr(model_config, name, None))
    for part in parts:
        for key in ("_attn_implementation", "_experts_implementation"):
            kernel = getattr(part, key, None)
            if isinstance(kernel, str) and "/" in kernel:
                raise ModelError(
                    f"{model}: its config.json has {key.removeprefix('_')} = {kernel!r}, a kernel "
                    "of the hub: compiled code, which is not run unless the model is trusted"
                )

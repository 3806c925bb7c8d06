"""What an open_clip model may ask of its tokenizer: nothing that runs code.

The other ways in which a model's files name code are in ``engine.models.code``.
"""

from __future__ import annotations

from collections.abc import Mapping
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

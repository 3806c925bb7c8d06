"""Code that comes with a model, and how it is kept from running.

A model's files can name code in several ways: an ``auto_map`` in its JSON files (transformers'
remote code), an attention kernel of the hub in ``config.json``, pickled weights, and what its own
library reads beside these. Weights are read with ``weights_only`` by torch 2.6 and later; the rest
is refused here, or where the family is loaded, unless the configuration trusts the model by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.common.errors import ModelError


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

"""Which keys may change while a run is under way, and in a fork of it."""

from __future__ import annotations

from typing import Any

from engine.common.errors import ConfigError
from engine.common.names import nearest
from engine.config import EvaluationConfig, RunConfig
from engine.config.toml_file import validate

EDITABLE = (
    "proposal.system_prompt",
    "proposal.task",
    "proposal.candidates",
    "proposal.examples",
    "proposal.accept",
    "proposal.reply_prefix",
    "proposal.confusions",
    "sampling.temperature",
    "sampling.top_p",
    "sampling.top_k",
    "sampling.max_new_tokens",
    "sampling.thinking_tokens",
    "evaluation.best_every",
    "steering.mode",
    "steering.layers",
    "steering.alpha",
    "steering.alphas",
    "steering.alpha_unit",
    "steering.pool",
)
"""Configuration keys that may change while a run is under way."""

RUN_KEYS = ("steps", "seed", *(f"evaluation.{name}" for name in EvaluationConfig.model_fields))
"""Keys, beside ``EDITABLE``, that a fork may have otherwise than its parent."""

LLM_KEYS = ("llm.model", "llm.revision", "llm.thinks", "llm.dtype", "llm.quantization")
"""Scores do not depend on the LLM, so a fork may have another one, or the same in fewer bits."""


def with_option(config: RunConfig, key: str, value: Any) -> RunConfig:
    """``config`` with one editable key changed; None means the key's default.

    Raises:
        ConfigError: if the key can't be changed during a run, or the value is not allowed.
    """
    if key not in EDITABLE:
        near = nearest(key, EDITABLE)
        hint = f" (did you mean {near}?)" if near is not None else ""
        raise ConfigError(
            f"{key} can't change during a run{hint}; these can: {', '.join(EDITABLE)}"
        )
    section, name = key.split(".")
    values = config.model_dump()
    if value is None:
        values[section].pop(name)
    else:
        values[section][name] = value
    return validate(values)

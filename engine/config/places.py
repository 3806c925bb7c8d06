"""What may be said anew when a run is taken up: where its data and models are, and how they run.

None of it may change what the run rests on: that is compared when it is loaded (``contract``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.common.errors import ConfigError
from engine.config import RunConfig
from engine.config.editable import EDITABLE, LLM_KEYS, RUN_KEYS
from engine.config.toml_file import as_typed, parse_override, validate, with_value

PLACE_KEYS = (
    "data.path",
    "data.options",
    "vlm.model",
    "vlm.pretrained",
    "vlm.embedder",
    "vlm.judge_model",
    "vlm.device",
    "vlm.device_map",
    "vlm.image_batch",
    "vlm.text_batch",
    "vlm.prefix_gib",
    "vlm.shards",
    "vlm.cache",
    "vlm.predictions_mib",
    "llm.model",
    "llm.revision",
    "llm.device",
    "llm.device_map",
    "llm.attention",
    "llm.cuda_graphs",
    "llm.base_url",
    "llm.api_key_env",
    "llm.timeout",
    "llm.retries",
    "llm.concurrency",
    "llm.price_in",
    "llm.price_out",
    "llm.max_cost",
)


def read_places(config: RunConfig, overrides: Iterable[str], run: str = "RUN") -> dict[str, Any]:
    """``key.path=value`` of a command line, by key; paths are made absolute.

    ``run`` is what a command line calls the run, for messages.

    Raises:
        ConfigError: naming a key that can't be set, or a value that is not allowed.
    """
    found: dict[str, Any] = {}
    for override in overrides:
        key, value = parse_override(override)
        config = with_value(config, key, value, f"--set {override}")  # says what is no key
        if key not in PLACE_KEYS:
            typed = as_typed(override)
            way = (
                f"a fork can have it: glov fork {run} --at-step N {typed}"
                if key in (*EDITABLE, *RUN_KEYS, *LLM_KEYS)
                else f"a new run can have it: glov run CONFIG {typed}"
            )
            raise ConfigError(
                f"--set {override}: {key} can't change when a run is taken up; {way}. Here --set "
                "only says where data and models are now (data.path, llm.model) and how they run "
                "(llm.device, vlm.image_batch)"
            )
        section, name = key.split(".")
        found[key] = getattr(getattr(config, section), name)
    return found


def with_places(config: RunConfig, places: Mapping[str, Any]) -> RunConfig:
    """``config`` with what ``read_places`` found.

    Raises:
        ConfigError: if a key or value is none that it finds.
    """
    values = config.model_dump()
    for key, value in places.items():
        if key not in PLACE_KEYS:
            raise ConfigError(f"{key} is no key of a place")
        section, name = key.split(".")
        values[section][name] = value
    return validate(values, "places")

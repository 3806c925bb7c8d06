"""The configuration of a run as its journal or sweep has it, also where an earlier glov wrote that.

A key that was added later has the value there which is what runs did before it; its default may
be another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from engine.config import RunConfig

_BEFORE: Mapping[str, Mapping[str, Any]] = {
    "sampling": {"thinking_tokens": 0},
    "proposal": {"accept": "clean"},
    "evaluation": {"select": "top"},
}


def written_config(values: Mapping[str, Any]) -> RunConfig:
    """The configuration from all of its values as they were written.

    Raises:
        pydantic.ValidationError: if it has other keys or values than this glov knows.
    """
    return RunConfig.model_validate(_with_later_keys(values))


def _with_later_keys(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    sections = {
        name: {**later, **values[name]}
        for name, later in _BEFORE.items()
        if isinstance(values.get(name), Mapping)
    }
    return {**values, **sections}


WrittenConfig = Annotated[RunConfig, BeforeValidator(_with_later_keys)]
"""A configuration that is a part of another record."""

"""What all records that are written as JSON have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record without unknown fields.

    Its schema is built at first use: the start of the cockpit needs few of them, and must be
    quick. A number that isn't finite is written as Infinity or NaN: as null it could not be read
    back, or would be an option's default.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, ser_json_inf_nan="constants"
    )

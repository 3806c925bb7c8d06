"""What all records that are written as JSON have in common.

Modules of many records do not begin with ``from __future__ import annotations``: pydantic would
compile each annotation on its own, a twentieth of the time to the first paint.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticSerializationError

from engine.common.names import readable_name

_MOST = 2**53  # what any reader of JSON takes exactly
Count = Annotated[int, Field(ge=0, le=_MOST)]
Positive = Annotated[int, Field(ge=1, le=_MOST)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=_MOST)]
UnixTime = Annotated[float, Field(ge=0, le=253_402_300_799)]  # up to the end of the year 9999
LogLikelihood = Annotated[float, Field(ge=-_MOST, le=_MOST)]  # mean, nats
Difference = Annotated[float, Field(ge=-1, le=1)]  # of two shares
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]  # of 95 %: its two ends
SignedInterval = Annotated[list[Difference], Field(min_length=2, max_length=2)]
Author = Annotated[str, Field(max_length=80)]  # of what was asked; untrusted
NoteText = Annotated[str, Field(max_length=8000)]  # untrusted
Reason = Annotated[str, Field(max_length=1000)]  # untrusted


class Record(BaseModel):
    """A frozen record without unknown fields.

    Its schema is built at first use: the start of the cockpit needs few of them, and must be
    quick. A number that isn't finite is written as Infinity or NaN: as null it could not be read
    back, or would be an option's default.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, ser_json_inf_nan="constants"
    )


@dataclass(frozen=True)
class Dumped:
    """In ``Annotated[dict[str, Any], Dumped(R)]``: plain data with the fields of the record R."""

    record: type[Record]


def to_json(record: Record) -> str:
    """One line of JSON. Bytes of a file name that are no UTF-8 are written as text (``\\xe9``).

    JSON can't hold them, and a run must not fail because it names such a file in a message.
    """
    try:
        return record.model_dump_json()
    except PydanticSerializationError:
        return type(record).model_validate(_readable(record.model_dump())).model_dump_json()


def _readable(value: Any) -> Any:
    match value:
        case str():
            return readable_name(value)
        case dict():
            return {_readable(key): _readable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_readable(inner) for inner in value]
    return value

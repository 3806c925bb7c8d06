"""Yes and no of many things as a short text: eight in a byte, in base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from engine.common.wording import counted


def bits_to_text(bits: Sequence[bool]) -> str:
    """The bits, first one first, filled up with zeros to whole bytes; nothing of no bits."""
    size = -(-len(bits) // 8)
    number = sum(1 << (8 * size - 1 - place) for place, bit in enumerate(bits) if bit)
    return base64.b64encode(number.to_bytes(size, "big")).decode("ascii")


def text_to_bits(text: str, count: int) -> tuple[bool, ...]:
    """The ``count`` bits that ``bits_to_text`` wrote.

    Raises:
        ValueError: if the text is not of so many bits.
    """
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    spare = 8 * len(found) - count
    number = int.from_bytes(found, "big")
    if not 0 <= spare < 8 or number & ((1 << spare) - 1):
        raise ValueError(f"{counted(len(found), 'byte')} for {counted(count, 'bit')}")
    return tuple(digit == "1" for digit in f"{number >> spare:0{count}b}") if count else ()

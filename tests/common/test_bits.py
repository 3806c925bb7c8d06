"""Bits as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.bits import bits_to_text, text_to_bits


@given(st.lists(st.booleans(), max_size=100))
def test_bits_come_back(bits) -> None:
    assert text_to_bits(bits_to_text(bits), len(bits)) == tuple(bits)


@pytest.mark.parametrize("text", ["gA", "?A==", "gIA=", "", "gQ=="])
def test_other_texts_are_refused(text: str) -> None:
    assert text_to_bits("gA==", 3) == (True, False, False)
    with pytest.raises(ValueError):
        text_to_bits(text, 3)

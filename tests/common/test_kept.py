"""What is kept between runs: one of each kind, let go before another is loaded."""

from __future__ import annotations

import weakref

import pytest

from engine.common.kept import Kept
from engine.config import LLMConfig


class Model:
    """Something that can be watched while it is let go."""

    def __init__(self) -> None:
        self.itself = self  # as models do, it refers to itself


def test_equal_sections_share_what_was_loaded() -> None:
    kept = Kept()
    first = kept.get("LLM", LLMConfig(model="a"), Model)
    assert kept.get("LLM", LLMConfig(model="a"), Model) is first
    assert kept.get("VLM", LLMConfig(model="a"), Model) is not first
    assert kept.get("LLM", LLMConfig(model="a"), Model) is first


def test_the_old_one_is_gone_before_the_new_one_is_loaded() -> None:
    kept = Kept()
    old = weakref.ref(kept.get("LLM", LLMConfig(model="a"), Model))

    def load() -> Model:
        assert old() is None
        return Model()

    kept.get("LLM", LLMConfig(model="b"), load)


def test_a_load_that_fails_keeps_nothing() -> None:
    kept = Kept()
    kept.get("LLM", LLMConfig(model="a"), Model)
    with pytest.raises(ZeroDivisionError):
        kept.get("LLM", LLMConfig(model="b"), lambda: 1 / 0)
    assert kept.get("LLM", LLMConfig(model="b"), lambda: "loaded") == "loaded"

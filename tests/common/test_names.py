"""Names that are not there, and what they were most likely meant to be."""

from __future__ import annotations

import pytest

from engine.common.names import nearest, what_there_is
from engine.data.registry import registered_datasets


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("EuroSAT", "eurosat"),
        ("Oxford Flowers", "oxford-flowers"),
        ("CIFAR-10", "cifar10"),
        ("imagenet_v2", "imagenet-v2"),
        ("UCF101", "ucf101"),
        ("eurosatt", "eurosat"),
        ("nothing of the kind", None),
        ("...", None),
    ],
)
def test_case_and_punctuation_make_no_difference(typed: str, meant: str | None) -> None:
    assert nearest(typed, registered_datasets()) == meant


def test_what_there_is_ends_a_sentence_either_way() -> None:
    assert what_there_is("GLOV", ["glov", "ours"]) == "did you mean 'glov'? There are glov, ours"
    assert what_there_is("zzz", ["glov", "ours"]) == "there are glov, ours"

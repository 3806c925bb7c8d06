"""Python looks for no garbage while libraries are imported, and does again when they are there."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from engine.common.collecting import MANY, uncollected


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_collection_is_off_within_and_on_again_behind_it_also_where_it_fails() -> None:
    with uncollected():
        assert not gc.isenabled()
        with uncollected():  # as where the loading of a model imports more
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_a_caller_who_had_it_off_finds_it_off() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()


@pytest.mark.parametrize(("modules", "frozen"), [(MANY + 1, True), (MANY, False)])
def test_many_modules_are_not_looked_through_again(
    monkeypatch: pytest.MonkeyPatch, modules: int, frozen: bool
) -> None:
    before = gc.get_freeze_count()
    with uncollected():
        for n in range(modules):
            monkeypatch.setitem(sys.modules, f"made_up_{n}", ModuleType(f"made_up_{n}"))
    assert (gc.get_freeze_count() > before) == frozen

"""Event files as TensorBoard itself reads them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from engine.analysis.export.as_tensorboard import scalars, texts
from engine.analysis.export.exported import read_exported
from engine.analysis.export.writing import export, make_content
from engine.common.errors import UserError
from tests.support.hostile_runs import write_hostile


def test_numbers_of_each_step_at_their_times(undisturbed: Path) -> None:
    run = read_exported(undisturbed)
    found: dict[str, list[tuple[int, float]]] = {}
    for tag, value, step, time in scalars(run):
        found.setdefault(tag, []).append((step, value))
        assert run.events[0].time <= time <= run.events[-1].time
    seed, steps = run.state.seed, run.state.steps
    assert seed is not None
    assert found["train/best"] == [(0, seed.accuracy), *((s.step, s.best) for s in steps)]
    ensemble = run.state.test("ensemble")
    assert ensemble is not None
    assert found["test/ensemble"][-1] == (ensemble.step, ensemble.hits / ensemble.n)
    steered = [step for step, _ in found["steering/alpha"]]
    assert steered and set(steered) <= {step.step for step in steps}
    assert [step for step, _ in found["steering_norm/layer_05"]] == steered
    assert "steering/kl_nats" in found


def test_texts_are_code_that_does_nothing(tmp_path: Path) -> None:
    found = list(texts(write_hostile(tmp_path / "run")))
    assert {tag for tag, *_ in found} == {"best_template", "ensemble"}
    assert all("`" in text or "<code>" in text for _, text, *_ in found)
    assert "\n- " in found[-1][1]


def test_tensorboard_reads_it(undisturbed: Path, tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = read_exported(undisturbed)
    folder = export(run, "tensorboard", tmp_path / "events")
    read: Any = reading.EventAccumulator(str(folder))
    read.Reload()
    expected = [(tag, step) for tag, _, step, _ in scalars(run)]
    tags = read.Tags()["scalars"]
    assert [(tag, e.step) for tag in tags for e in read.Scalars(tag)] == sorted(
        expected, key=lambda pair: (tags.index(pair[0]), pair[1])
    )
    assert "best_template/text_summary" in read.Tags()["tensors"]
    again = export(run, "tensorboard", tmp_path / "events", force=True)
    assert len(list(again.iterdir())) == 1 and list(tmp_path.iterdir()) == [again]


def test_without_the_package_the_extra_is_named(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(UserError, match=r"pip install 'glov-tui\[tensorboard\]'"):
        make_content(read_exported(undisturbed), "tensorboard")

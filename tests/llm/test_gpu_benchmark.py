"""``benchmarks/gpu.py``: nobody could run it on a GPU yet; all else of it works."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import gpu


def test_small_shapes_on_the_cpu_end_in_a_line_of_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = replace(gpu.SHAPES["small"], width=32, inner=48, rows=3, tokens=4, prompt=9)
    monkeypatch.setitem(gpu.SHAPES, "small", tiny)
    threads = torch.get_num_threads()
    try:
        gpu.main(["--small", "--device", "cpu", "--repeats", "1", "--no-step"])
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert found["same_tokens"] == {"ours, static": 1, "ours, graphs": 1}
    assert found["shape"] == "small" and found["graphs"] and not found["graphs_refused"]
    assert found["seconds"].keys() == {
        "reference", "generate", "hook", "ours, split", "ours, static", "ours, graphs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--repeats", "0"], "1 at least"),
        (["--threads", "0"], "1 at least"),
        (["--device", "cuda:99"], "this machine has auto, cpu"),
        (["--device", "meta"], "this machine has auto, cpu"),
        (["--device", "foo"], "this machine has auto, cpu"),
    ],
)
def test_what_can_not_be_is_refused_in_words(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        gpu.main(options)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "gb"),
    [
        ("NVIDIA H200", 4800),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA H100 80GB HBM3", 3350),
        ("NVIDIA H100 PCIe", 2000),
        ("NVIDIA A100-SXM4-80GB", 2039),
        ("NVIDIA A100-SXM4-40GB", 1555),
        ("NVIDIA L40", None),
        ("NVIDIA L4", 300),
        ("NVIDIA RTX A1000", None),
        ("", None),
    ],
)
def test_a_device_is_not_taken_for_another(name: str, gb: int | None) -> None:
    assert gpu.peak_of(name) == gb

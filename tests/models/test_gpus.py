"""What the driver tells of GPUs, and what is left out where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_driver import build, found

GIB = 2**30
READ = """
import json, sys
from engine.models.gpus import Gpus
gpus = Gpus.open()
assert "torch" not in sys.modules
print(json.dumps(None if gpus is None else [one.model_dump() for one in gpus.read()]))
"""
WHOLE = {
    "number": 0,
    "name": "NVIDIA H200 [0]",
    "use": 87,
    "memory_used": 10 * GIB,
    "memory_total": 80 * GIB,
    "memory_own": 3 * GIB,
    "temperature": 61,
    "power": 310.5,
    "power_limit": 700.0,
}
TORCH = """
import sys, types
from types import SimpleNamespace
torch = types.ModuleType("torch")
if {whole}:
    torch.cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        get_device_properties=lambda index: SimpleNamespace(uuid=f"0000000{{1 - index}}-made-up"),
        memory_reserved=lambda index: (index + 1) << 30,
    )
sys.modules["torch"] = torch
"""
NOTHING = {key: None for key in WHOLE if key not in ("number", "name")}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("driver"))


def read(driver: Path | None, **environment: str) -> Any:
    return found(READ, driver, **environment)


def test_all_that_a_gpu_tells(driver: Path) -> None:
    second = {**WHOLE, "number": 1, "name": "NVIDIA H200 [1]", "memory_used": 11 * GIB}
    assert read(driver, FAKE_GPUS="whole,whole") == [WHOLE, second]


def test_what_is_not_told_is_left_out(driver: Path) -> None:
    mig, lost, denied = read(driver, FAKE_GPUS="mig,lost,denied")
    untold = ("use", "temperature", "power", "power_limit")
    assert mig == {**WHOLE, **dict.fromkeys(untold)}
    assert lost == {"number": 1, "name": "GPU", **NOTHING}
    assert denied["memory_own"] is None and denied["use"] == 87


def test_an_older_driver_lacks_functions(tmp_path: Path) -> None:
    (one,) = read(build(tmp_path, "-DOLD_DRIVER"))
    assert one == {**WHOLE, "memory_own": None, "power_limit": None}


@pytest.mark.parametrize("code", ["4", "9", "12", "18", "999"])
def test_without_a_driver_that_answers_there_are_no_gauges(driver: Path, code: str) -> None:
    assert read(driver, FAKE_INIT=code) is None


def test_without_a_driver_or_a_gpu(driver: Path) -> None:
    assert read(None) is None
    assert read(driver, FAKE_GPUS=",") is None


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("1", ["[1]"]),
        ("2,0", ["[2]", "[0]"]),
        ("GPU-00000002", ["[2]"]),
        ("MIG-of-gpu-0", ["[0]"]),
        ("0,7,1", ["[0]"]),
        ("", None),
        ("-1", None),
    ],
)
def test_only_what_the_process_may_use(driver: Path, visible: str, names: list[str] | None) -> None:
    found = read(driver, FAKE_GPUS="whole,whole,whole", CUDA_VISIBLE_DEVICES=visible)
    if names is None:
        assert found is None
    else:
        assert [one["name"].split()[-1] for one in found] == names
        assert [one["number"] for one in found] == list(range(len(names)))


def test_torch_may_be_half_loaded_by_another_thread(driver: Path) -> None:
    code = TORCH.format(whole=False) + READ.replace('assert "torch"', '"torch"')
    (denied,) = found(code, driver, FAKE_GPUS="denied")
    assert denied == {**WHOLE, "memory_own": None}


def test_gpus_are_numbered_as_cuda_counts_them(driver: Path) -> None:
    """CUDA begins with the fastest, the driver with the first slot."""
    code = TORCH.format(whole=True) + READ.replace('assert "torch"', '"torch"')
    fastest, other = found(code, driver, FAKE_GPUS="whole,denied,whole")
    assert (fastest["number"], fastest["name"]) == (0, "NVIDIA H200 [1]")
    assert fastest["memory_own"] == GIB  # torch's, as the driver tells of no processes
    assert (other["number"], other["name"]) == (1, "NVIDIA H200 [0]")
    assert other["memory_own"] == 3 * GIB

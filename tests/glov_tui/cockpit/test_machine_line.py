"""The line of GPUs: on machines that have some, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.gpus import GpuReading
from engine.run import events as ev
from glov_tui.cockpit.panes.machine import MachineLine
from tests.support.sessions import HeldSession, cockpit, loaded, settle

GIB = 2**30


def gpu(number: int = 0, **fields: object) -> GpuReading:
    known = {
        "name": "NVIDIA H200",
        "use": 87,
        "memory_used": 12 * GIB,
        "memory_total": 140 * GIB,
        "memory_own": 9 * GIB,
        "temperature": 61,
        "power": 310.4,
        "power_limit": 700.0,
    }
    return GpuReading(number=number, **{**known, **fields})


def measured(*gpus: GpuReading) -> ev.MachineMeasured:
    return ev.MachineMeasured(gpus=gpus, past=tuple((0, 50, one.use) for one in gpus))


async def lines(path: Path, size: tuple[int, int], *gpus: GpuReading) -> list[str]:
    session = HeldSession(path, *loaded(), *([measured(*gpus)] if gpus else []))
    async with cockpit(session, size) as (_, app):
        (line,) = app.screen.query(MachineLine)
        text = line.text(session.state)
        assert line.size.height == (text.count("\n") + 1 if text else 0)
        return text.splitlines()


async def test_without_a_gpu_there_is_no_line(tmp_path: Path) -> None:
    assert await lines(tmp_path, (120, 40)) == []


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24)])
async def test_one_gpu_in_full(size: tuple[int, int], tmp_path: Path) -> None:
    (line,) = await lines(tmp_path, size, gpu())
    expected = "87%             ▁▄█ 12.0/140 GiB (own 9.0) 61 °C 310/700 W"
    assert line.endswith(expected) and line.startswith("GPU 0")
    assert ("H200" in line) == (len(f"GPU 0 NVIDIA H200  {expected}") <= size[0] - 2)


async def test_several_have_rows_of_their_own_or_share_one(tmp_path: Path) -> None:
    gpus = [gpu(number, use=number * 10) for number in range(8)]
    rows = await lines(tmp_path, (120, 40), *gpus)
    assert len(rows) == 4 and rows[0].count("GPU") == 2 and "70%" in rows[3]
    (row,) = await lines(tmp_path, (120, 24), *gpus)
    assert row.count("%") == 8 and len(row) <= 118
    (row,) = await lines(tmp_path, (80, 24), *gpus[:2])
    assert "12.0/140 GiB" in row and len(row) <= 78


async def test_many_in_little_room_are_all_there(tmp_path: Path) -> None:
    gpus = [gpu(number, use=None if number == 1 else number * 14) for number in range(8)]
    (row,) = await lines(tmp_path, (60, 20), *gpus)
    assert row == "GPU 0-7 0% - 28% 42% 56% 70% 84% 98%"
    many = [gpu(number, use=number * 6) for number in range(16)]
    (row,) = await lines(tmp_path, (60, 20), *many)
    assert row == "GPU 0-15 0 to 90%"


async def test_rows_below_each_other_tell_the_same_in_columns(tmp_path: Path) -> None:
    some = [gpu(0), gpu(1, use=None, power=None), gpu(2, name="GPU", power=None), gpu(3)]
    rows = await lines(tmp_path, (120, 40), *some, *(gpu(number) for number in range(4, 8)))
    assert len(rows) == 4
    assert len({row.index("GPU", 5) for row in rows}) == 1
    assert not any("H200" in row for row in rows)  # not where others have no room for it


async def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    nothing = dict.fromkeys(
        ("use", "memory_used", "memory_total", "memory_own", "temperature", "power", "power_limit")
    )
    assert await lines(tmp_path, (120, 40), gpu(**nothing)) == ["GPU 0 NVIDIA H200"]
    (line,) = await lines(tmp_path, (120, 40), gpu(use=None, power_limit=None))
    assert "%" not in line and line.endswith("61 °C 310 W")


async def test_it_comes_and_goes_with_the_readings(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded())
    async with cockpit(session) as (pilot, app):
        (line,) = app.screen.query(MachineLine)
        session.apply(measured(gpu()))
        await settle(pilot)
        assert line.size.height == 1
        session.apply(ev.RunFinished(step=0))
        await settle(pilot)
        assert line.size.height == 0

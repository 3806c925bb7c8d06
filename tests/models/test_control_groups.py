"""Limits of control groups, in the ways in which containers, SLURM and systemd set them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.control_groups import cpu_quota, group_memory

GIB = 2**30
NO_LIMIT = "9223372036854771712\n"  # of version 1


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V1 = "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n2:cpuset:/\n1:name=systemd:/\n0::/\n"
QUOTAS = [
    ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
    ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    (
        "0::/user/run\n",
        {"sys/fs/cgroup/user/cpu.max": "200000 100000", "sys/fs/cgroup/user/run/cpu.max": "max 1"},
        2.0,
    ),
    (
        V1,
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        4.0,
    ),
    (
        V1,
        {
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    ("nonsense\n\n::::\n", {"sys/fs/cgroup/cpu.max": "x y z\n"}, None),
]


@pytest.mark.parametrize(("groups", "files", "expected"), QUOTAS)
def test_the_quota_of_control_groups(tmp_path: Path, groups, files, expected) -> None:
    assert cpu_quota(machine(tmp_path, groups, files)) == expected


def test_no_control_groups_are_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


def files(folder: str, **text: object) -> dict[str, str]:
    return {f"sys/fs/cgroup/{folder}/memory.{name}": f"{value}\n" for name, value in text.items()}


SLURM = "/system.slice/slurmstepd.scope/job_7"
V2_LIMIT = {"max": 8 * GIB, "current": 3 * GIB}
V1_LIMIT = {"limit_in_bytes": 8 * GIB, "usage_in_bytes": 3 * GIB}
MEMORIES = {
    "a container": ("0::/\n", files(".", **V2_LIMIT), (5, 12)),
    "a job further down": (f"0::{SLURM}/step_0\n", files(SLURM[1:], **V2_LIMIT), (5, 12)),
    "the tightest counts": (
        "0::/a/b\n",
        {**files("a", **V2_LIMIT), **files("a/b", max=6 * GIB, current=GIB)},
        (5, 10),
    ),
    "without swap space": ("0::/\n", files(".", **V2_LIMIT, **{"swap.max": 0}), (5, 8)),
    "what was read of files is free": (
        "0::/\n",
        files(".", **V2_LIMIT, stat=f"anon 1\ninactive_file {2 * GIB}\nactive_file 7"),
        (7, 12),
    ),
    "no limit": ("0::/\n", files(".", max="max", current=GIB), None),
    "version 1": (V1, files("memory/x", **V1_LIMIT), (5, 12)),
    "version 1 in a container": (V1, files("memory", **V1_LIMIT), (5, 12)),
    "version 1 with a limit of memory and swap space": (
        V1,
        files("memory/x", **V1_LIMIT, **{"memsw.limit_in_bytes": 9 * GIB}),
        (5, 9),
    ),
    "version 1, files": (
        V1,
        files("memory/x", **V1_LIMIT, stat=f"cache 1\ntotal_inactive_file {GIB}"),
        (6, 12),
    ),
    "version 1 without a limit": (
        V1,
        files("memory/x", limit_in_bytes=NO_LIMIT, usage_in_bytes=GIB),
        None,
    ),
    "another controller's group": (V1, files("cpuset", **V1_LIMIT), None),
    "more taken than the limit": ("0::/\n", files(".", max=GIB, current=2 * GIB), (0, 5)),
    "nonsense": ("0::/\n", files(".", max="x", current="y", stat="inactive_file"), None),
    "a limit, and nothing else that can be read": ("0::/\n", files(".", max=8 * GIB), (8, 12)),
}


@pytest.mark.parametrize(("groups", "texts", "expected"), MEMORIES.values(), ids=MEMORIES)
def test_memory_that_control_groups_leave(tmp_path: Path, groups, texts, expected) -> None:
    found = group_memory(4 * GIB, machine(tmp_path, groups, texts))
    assert found == (None if expected is None else tuple(size * GIB for size in expected))

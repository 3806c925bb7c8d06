"""``glov doctor``: what this machine has, and what would get in the way of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.common.versions import versions
from engine.config.run_name import runs_folder
from engine.models import hub, threads
from glov_tui.common.text import clean
from glov_tui.terminal.printing import print_json


def report(as_json: bool) -> None:
    """Print everything as tables, or as one JSON document."""
    found: dict[str, Any] = {
        "versions": versions(),
        "extras": _extras(),
        "devices": _devices(),
        "folders": _folders(),
        "hub": _hub(),
        "terminal": _terminal(),
    }
    if as_json:
        print_json(found)
        return
    console = Console(highlight=False)
    for section, values in found.items():
        table = Table(title=section, title_justify="left", show_header=False, box=None)
        table.add_column(style="bold", min_width=16)
        table.add_column(overflow="fold")
        rows = values.items() if isinstance(values, dict) else [(v["name"], v) for v in values]
        for name, value in rows:
            table.add_row(str(name), Text(clean(_plain(value))))
        console.print(table)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items() if k != "name")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _extras() -> dict[str, str]:
    """What needs packages that not everybody has, and whether they are there."""
    from engine.llm.gguf import missing_packages

    missing = missing_packages()
    how = f"no, {' and '.join(missing)} missing: pip install 'glov-tui[gguf]'"
    return {"GGUF files": how if missing else "yes"}


def _devices() -> list[dict[str, Any]]:
    threads.prepare()
    import psutil
    import torch

    memory = psutil.virtual_memory()
    devices: list[dict[str, Any]] = [
        {
            "name": "cpu",
            "cores": os.cpu_count(),
            "usable": threads.usable_cores(),
            "load": round(os.getloadavg()[0], 1),
            "threads": threads.describe_choice(),
            "memory": _gib(memory.total),
            "free": _gib(memory.available),
        }
    ]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        devices.append(
            {
                "name": f"cuda:{index}",
                "model": properties.name,
                "memory": _gib(total),
                "free": _gib(free),
                "bf16": torch.cuda.is_bf16_supported(),
            }
        )
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "model": "Apple GPU"})
    if len(devices) == 1:
        devices.append({"name": "gpu", "found": "none: models run on the CPU"})
    return devices


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _folders() -> dict[str, Any]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from engine.common.cache_folder import cache_folder

    return {
        "runs": _folder(runs_folder()),
        "cache": _folder(cache_folder()),
        "hub cache": _folder(Path(HF_HUB_CACHE)),
    }


def _folder(path: Path) -> dict[str, Any]:
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return {
        "path": str(path.absolute()),
        "exists": path.is_dir(),
        "writable": os.access(existing, os.W_OK),
        "free": _gib(shutil.disk_usage(existing).free),
    }


def _hub() -> dict[str, Any]:
    address = hub.endpoint()
    if hub.is_switched_off():
        return {"address": address, "reachable": False, "reason": "HF_HUB_OFFLINE is set"}
    problem = hub.why_unreachable()
    if problem is not None:
        reason = f"{problem}; models must be in the hub cache, or given by path"
        return {"address": address, "reachable": False, "reason": reason}
    return {"address": address, "reachable": True}


def _terminal() -> dict[str, Any]:
    console = Console()
    size = shutil.get_terminal_size()
    found: dict[str, Any] = {
        "size": f"{size.columns}x{size.lines}",
        "TERM": os.environ.get("TERM", "not set"),
        "is a terminal": sys.stdout.isatty(),
        "colours": console.color_system or "none",
        "NO_COLOR": "NO_COLOR" in os.environ,
        "Unicode": (sys.stdout.encoding or "").lower().replace("-", "") == "utf8",
        "over SSH": "SSH_CONNECTION" in os.environ,
    }
    if "TMUX" in os.environ and (tmux := shutil.which("tmux")):
        answer = subprocess.run([tmux, "-V"], capture_output=True, text=True, check=False)
        found["tmux"] = answer.stdout.strip()
    if size.columns < 60 or size.lines < 20:
        found["note"] = "the cockpit needs at least 60x20"
    return found

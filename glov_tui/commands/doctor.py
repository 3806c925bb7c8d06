"""``glov doctor``: what this machine has, and what would get in the way of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NotRequired

from rich.console import Console
from rich.table import Table
from rich.text import Text
from typing_extensions import TypedDict

from engine.common.errors import ConfigError, ModelError
from engine.common.versions import versions
from engine.config import LLMConfig
from engine.config.run_name import runs_folder
from engine.config.toml_file import load_config
from engine.llm.served.models import HOW_TO_INSTALL, is_installed, models_of
from engine.models import hub, threads
from engine.session.config_check import check_config
from glov_tui.commands.doctor_memory import DeviceMemory, ModelMemory, RoomFound, memory_of
from glov_tui.commands.doctor_notices import Notices, notices
from glov_tui.common.text import clean
from glov_tui.terminal.printing import print_json


class Device(TypedDict):
    """What models can run on. Which fields there are depends on its kind."""

    name: str  # cpu, cuda:0, mps; gpu where there is none
    model: NotRequired[str]
    cores: NotRequired[int | None]
    usable: NotRequired[int]  # cores that affinity and control groups leave to glov
    load: NotRequired[float]  # mean of the last minute, processes
    threads: NotRequired[str]  # how many a model gets, and why
    memory: NotRequired[str]
    free: NotRequired[str]
    bf16: NotRequired[bool]
    found: NotRequired[str]


class FolderFacts(TypedDict):
    """A folder that glov reads or writes."""

    path: str
    exists: bool
    writable: bool
    free: str  # of its disk


Folders = TypedDict(
    "Folders",
    {"runs": FolderFacts, "cache": FolderFacts, "data": FolderFacts, "hub cache": FolderFacts},
)


class Hub(TypedDict):
    """The Hugging Face hub."""

    address: str
    reachable: bool
    reason: NotRequired[str]  # why not


Terminal = TypedDict(
    "Terminal",
    {
        "size": str,
        "TERM": str,
        "is a terminal": bool,
        "colours": str,
        "NO_COLOR": bool,
        "Unicode": bool,
        "over SSH": bool,
        "tmux": NotRequired[str],
        "note": NotRequired[str],
    },
)


class LLMServer(TypedDict):
    """The server of a configuration's LLM."""

    address: str
    model: str
    key: str  # whether the environment has it, never what it is
    answers: bool
    models: NotRequired[int]  # that it lists; absent where it lists none
    problem: NotRequired[str]  # why a run could not go on with it
    note: NotRequired[str]


class Machine(TypedDict):
    """What a machine has; of a configuration that was named its LLM's server, and whether its
    models have room.
    """

    versions: dict[str, str]  # of glov, Python and the libraries behind the numbers
    extras: dict[str, str]  # optional parts, and whether they are installed
    devices: list[Device]
    folders: Folders
    hub: Hub
    terminal: Terminal
    notices: Notices
    llm: NotRequired[LLMServer]
    models: NotRequired[list[ModelMemory]]  # what each local model takes, estimated
    memory: NotRequired[list[DeviceMemory]]  # of the devices that they go to
    room: NotRequired[RoomFound]


def report(as_json: bool, source: str | None = None, overrides: Sequence[str] = ()) -> int:
    """Print everything as tables, or as one JSON document.

    Args:
        as_json: one document in place of tables.
        source: a configuration whose LLM's server is asked too, and whose local models are
            looked for room for.
        overrides: ``key.path=value`` over it.

    Returns:
        0, or 1 where the server can't be used or the models can't fit.

    Raises:
        ConfigError: if the configuration is wrong.
    """
    config = None
    if source is not None:
        config = check_config(load_config(source, overrides))
    elif overrides:
        raise ConfigError("--set needs a configuration: glov doctor CONFIG --set ...")
    found: Machine = {
        "versions": versions(),
        "extras": _extras(),
        "devices": _devices(),
        "folders": _folders(),
        "hub": _hub(),
        "terminal": _terminal(),
        "notices": notices(),
    }
    if config is not None and config.llm.is_served:
        found["llm"] = _llm_server(config.llm)
    if config is not None:
        if not found["hub"]["reachable"]:
            hub.do_without()  # each file that is asked for would take its time
        found["models"], found["memory"], found["room"] = memory_of(config)
    code = int("problem" in found.get("llm", {}) or "problem" in found.get("room", {}))
    if as_json:
        print_json(found)
        return code
    console = Console(highlight=False)
    sections: dict[str, Any] = {**found}
    for section, values in sections.items():
        table = Table(title=section, title_justify="left", show_header=False, box=None)
        table.add_column(style="bold", min_width=16)
        table.add_column(overflow="fold")
        rows = values.items() if isinstance(values, dict) else [(v["name"], v) for v in values]
        for name, value in rows:
            table.add_row(str(name), Text(clean(_plain(value))))
        console.print(table)
    return code


def _llm_server(config: LLMConfig) -> LLMServer:
    """Ask for the list of models, which costs nothing."""
    there = bool(os.environ.get(config.api_key_env, "").strip())
    found: LLMServer = {
        "address": config.base_url,
        "model": config.model,
        "key": f"{config.api_key_env} is {'set' if there else 'not set'}",
        "answers": False,
    }
    try:
        models = models_of(config)
    except ModelError as error:
        found["problem"] = str(error)
        return found
    found["answers"] = True
    if models is None:
        found["note"] = "it does not list its models, so the first request will show"
        return found
    found["models"] = len(models)
    if config.model not in models:
        near = get_close_matches(config.model, models, n=1, cutoff=0.4) or models[:1]
        hint = f"; it has {near[0]}" if near else ""
        found["note"] = f"it does not list {config.model}{hint}. Some load others when asked"
    return found


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        there = ((k.replace("_", " "), v) for k, v in value.items() if k != "name")
        return ", ".join(f"{k} {_plain(v)}" for k, v in there if v not in ([], {}, None))
    if isinstance(value, list):
        return " and ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _extras() -> dict[str, str]:
    """What needs packages that not everybody has, and whether they are there."""
    from importlib.util import find_spec

    from engine.llm.gguf import missing_packages

    missing = missing_packages()
    how = f"no, {' and '.join(missing)} missing: pip install 'glov-tui[gguf]'"
    tables = "yes" if find_spec("datasets") else "no: pip install 'glov-tui[datasets]'"
    events = "yes" if find_spec("tensorboard") else "no: pip install 'glov-tui[tensorboard]'"
    gauges = "yes" if find_spec("pynvml") else "no: pip install 'glov-tui[gpu]'"
    bits = "yes" if find_spec("bitsandbytes") else "no: pip install 'glov-tui[quantized]'"
    return {
        "GGUF files": how if missing else "yes",
        "data sets of the hub": tables,
        "TensorBoard": events,
        "weights of 4 and 8 bits": bits,
        "GPU gauges": gauges,
        "LLMs on a server": "yes" if is_installed() else f"no: {HOW_TO_INSTALL}",
    }


def _devices() -> list[Device]:
    threads.prepare()
    import torch

    from engine.models.device import room_of

    host = room_of("cpu")
    devices: list[Device] = [
        {
            "name": "cpu",
            "cores": os.cpu_count(),
            "usable": threads.usable_cores(),
            "load": round(os.getloadavg()[0], 1),
            "threads": threads.describe_choice(),
            "memory": _gib(host.total),
            "free": _gib(host.free),
        }
    ]
    for index in range(torch.cuda.device_count()):
        devices.append(_gpu(f"cuda:{index}"))
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "model": "Apple GPU"})
    if len(devices) == 1:
        devices.append({"name": "gpu", "found": "none: models run on the CPU"})
    return devices


def _gpu(name: str) -> Device:
    import torch

    from engine.models.device import room_of

    try:
        room = room_of(name)
    except ModelError as error:
        return {"name": name, "found": str(error)}
    return {
        "name": name,
        "model": torch.cuda.get_device_properties(name).name,
        "memory": _gib(room.total),
        "free": _gib(room.free),
        "bf16": torch.cuda.is_bf16_supported(),
    }


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _folders() -> Folders:
    from huggingface_hub.constants import HF_HUB_CACHE

    from engine.common.cache_folder import cache_folder
    from engine.common.data_folder import data_folder

    return {
        "runs": _folder(runs_folder()),
        "cache": _folder(cache_folder()),
        "data": _folder(data_folder()),
        "hub cache": _folder(Path(HF_HUB_CACHE)),
    }


def _folder(path: Path) -> FolderFacts:
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return {
        "path": str(path.absolute()),
        "exists": path.is_dir(),
        "writable": os.access(existing, os.W_OK),
        "free": _gib(shutil.disk_usage(existing).free),
    }


def _hub() -> Hub:
    address = hub.endpoint()
    if hub.is_switched_off():
        return {"address": address, "reachable": False, "reason": "HF_HUB_OFFLINE is set"}
    problem = hub.why_unreachable()
    if problem is not None:
        reason = f"{problem}; models must be in the hub cache, or given by path"
        return {"address": address, "reachable": False, "reason": reason}
    return {"address": address, "reachable": True}


def _terminal() -> Terminal:
    console = Console()
    size = shutil.get_terminal_size()
    found: Terminal = {
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

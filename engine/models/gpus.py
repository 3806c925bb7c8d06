"""What NVIDIA's driver tells of the GPUs: use, memory, temperature, power (extra ``gpu``).

It asks through ``pynvml`` only, and imports no torch. What a GPU, a driver or a container does not
tell is left out, whatever the reason: a gauge is worth no run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import Field

from engine.common.record import Count, Record

Percent = Annotated[int, Field(ge=0, le=100)]


class GpuReading(Record):
    """One GPU now; null is what it does not tell."""

    number: Count  # among those that this process may use, as CUDA counts
    name: str
    use: Percent | None = None  # of the last second or so, by whatever process
    memory_used: Count | None = None  # bytes, of all processes
    memory_total: Count | None = None  # bytes
    memory_own: Count | None = None  # bytes, of the engine's process
    temperature: int | None = None  # degrees Celsius
    power: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None  # watts
    power_limit: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None  # watts


class Gpus:
    """The GPUs that this process may use, by NVML. One thread at a time."""

    def __init__(self, nvml: Any) -> None:
        """``nvml`` is the module ``pynvml``, which has been told to begin."""
        self._nvml = nvml

    @classmethod
    def open(cls) -> Gpus | None:
        """None where there is no package, no driver, or no GPU that may be used."""
        try:
            import pynvml

            pynvml.nvmlInit()
        except Exception:  # of the package, of the library, of its versions: there is none
            return None
        found = cls(pynvml)
        return found if any(True for _ in found._handles()) else None

    def read(self) -> tuple[GpuReading, ...]:
        """All of them now."""
        return tuple(self._read(number, handle) for number, handle in self._handles())

    def _handles(self) -> Iterator[tuple[int, Any]]:
        nvml = self._nvml
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        count = _told(nvml.nvmlDeviceGetCount) or 0
        known = () if "MIG-" in (visible or "") else _uuids_by_cuda()
        in_its_order = [self._named(f"GPU-{uuid.removeprefix('GPU-')}", count) for uuid in known]
        if in_its_order and None not in in_its_order:
            yield from enumerate(in_its_order)
            return
        if visible is None:
            wanted = list(range(count))
            handles = (_told(nvml.nvmlDeviceGetHandleByIndex, index) for index in wanted)
        else:
            handles = (self._named(name.strip(), count) for name in visible.split(","))
        for number, handle in enumerate(handles):
            if handle is None and visible is not None:
                return  # CUDA takes none from the first on that is not there
            if handle is not None:
                yield number, handle

    def _named(self, name: str, count: int) -> Any:
        """By a name of ``CUDA_VISIBLE_DEVICES``: a number, or the (beginning of a) UUID."""
        nvml = self._nvml
        if name.isascii() and name.isdigit():
            return _told(nvml.nvmlDeviceGetHandleByIndex, int(name)) if int(name) < count else None
        if name.startswith("MIG-"):
            return _told(nvml.nvmlDeviceGetHandleByUUID, name)
        for index in range(count):
            handle = _told(nvml.nvmlDeviceGetHandleByIndex, index)
            uuid = _text(_told(nvml.nvmlDeviceGetUUID, handle)) if handle is not None else ""
            if name and uuid.startswith(name):
                return handle
        return None

    def _read(self, number: int, handle: Any) -> GpuReading:
        nvml = self._nvml
        memory = _told(nvml.nvmlDeviceGetMemoryInfo, handle)
        rates = _told(nvml.nvmlDeviceGetUtilizationRates, handle)  # none of a MIG instance
        power, limit = (
            _told(ask, handle)
            for ask in (nvml.nvmlDeviceGetPowerUsage, nvml.nvmlDeviceGetEnforcedPowerLimit)
        )
        total = None if memory is None else int(memory.total)
        return GpuReading(
            number=number,
            name=_text(_told(nvml.nvmlDeviceGetName, handle)) or "GPU",
            use=None if rates is None else min(int(rates.gpu), 100),
            memory_used=None if memory is None or not total else int(memory.used),
            memory_total=total or None,
            memory_own=self._own(handle),
            temperature=_told(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power=None if power is None else power / 1000,  # from milliwatts
            power_limit=None if limit is None else limit / 1000,
        )

    def _own(self, handle: Any) -> int | None:
        """Of this process. In a container the driver knows it by another number: ask torch then."""
        processes = _told(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()
        sizes = [one.usedGpuMemory for one in processes if one.pid == os.getpid()]
        if sizes and None not in sizes:
            return sum(map(int, sizes))
        return _reserved_by_torch(_text(_told(self._nvml.nvmlDeviceGetUUID, handle)))


def _told(ask: Callable[..., Any], *arguments: Any) -> Any:
    """What the driver answers; None where it does not."""
    try:
        return ask(*arguments)
    except Exception:  # not supported, no permission, lost, a library of another version
        return None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _cuda() -> Any:
    """torch.cuda, where this process uses it; torch may be half loaded by another thread."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return cuda if cuda is not None and _told(lambda: cuda.is_initialized()) else None


def _uuids_by_cuda() -> tuple[str, ...]:
    """As CUDA counts its devices, the fastest first, where the driver counts by their slots."""
    cuda = _cuda()
    if cuda is None:
        return ()
    return _told(lambda: tuple(_uuid(cuda, index) for index in range(cuda.device_count()))) or ()


def _uuid(cuda: Any, index: int) -> str:
    return str(cuda.get_device_properties(index).uuid)


def _reserved_by_torch(uuid: str) -> int | None:
    cuda = _cuda()
    if cuda is None or not uuid:
        return None
    for index, known in enumerate(_uuids_by_cuda()):
        if known in uuid:
            reserved: int | None = _told(cuda.memory_reserved, index)
            return reserved
    return None

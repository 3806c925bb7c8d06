"""Recording work on a GPU as a CUDA graph: as torch asks for it, and put right where it fails.

Nobody could try this file on a GPU yet: see docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

Step = Callable[[], None]
"""Work on the device that reads and writes tensors at fixed addresses, and waits for nothing."""

WARM_UPS = 2
"""Runs before a recording: libraries take their workspaces and choose their kernels in them."""


class Recorder(Protocol):
    """Makes one thing of a step that does the step's work each time it is called."""

    def __call__(self, step: Step, restore: Step) -> Step:
        """``restore`` undoes what a run of ``step`` changes; when this returns, it has been called.

        Raises:
            Exception: whatever the step, or recording it, raises; the step was not done then.
        """
        ...


def as_it_is(step: Step, restore: Step) -> Step:
    """A ``Recorder`` where there is nothing to record with: the step itself."""
    return step


class CudaRecorder:
    """Records steps as CUDA graphs. All of its graphs share one memory pool.

    So they are played one after another, never at once, and what one leaves outside of the tensors
    with fixed addresses is gone when the next is played.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, step: Step, restore: Step) -> Step:
        device, stream = self._device, self._stream
        with torch.cuda.device(device):
            before = torch.cuda.current_stream(device)
            graph = torch.cuda.CUDAGraph()
            try:
                stream.wait_stream(before)
                with torch.cuda.stream(stream):
                    for _ in range(WARM_UPS):
                        step()
                        restore()
                before.wait_stream(stream)
                # Another thread may take memory meanwhile: only what this one does is refused.
                with torch.cuda.graph(
                    graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"
                ):
                    step()
            finally:
                # Where recording fails, torch leaves its own stream the current one.
                torch.cuda.set_stream(before)
                restore()
        return graph.replay


def graph_device(model: torch.nn.Module) -> torch.device | str:
    """The GPU that all of the model is on, or why no graph can be made of it."""
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    if {device.type for device in devices} != {"cuda"}:
        return "not all of the LLM is on a GPU"
    if torch.version.hip is not None:
        return "CUDA graphs were not tried with ROCm"
    if len(devices) > 1:
        return "the LLM is spread over several GPUs"
    return devices.pop()

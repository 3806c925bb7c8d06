"""Recording work on a GPU as a CUDA graph: as torch asks for it, and put right where it fails.

Nobody could try this file on a GPU yet: see docs/performance.md.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol

import torch

Step = Callable[[], None]
"""Work on the device that reads and writes tensors at fixed addresses, and waits for nothing."""

WARM_UPS = 2
"""Runs before a recording: libraries take their workspaces and choose their kernels in them.

In all but the first, waiting for the device is refused.
"""


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
        self._graphs: weakref.WeakSet[torch.cuda.CUDAGraph] = weakref.WeakSet()

    def __call__(self, step: Step, restore: Step) -> Step:
        device = self._device
        if not self._graphs:  # torch gives a pool back with its last graph, and knows it no more
            self._pool = torch.cuda.graph_pool_handle()
        with torch.cuda.device(device):
            before = torch.cuda.current_stream(device)
            graph = torch.cuda.CUDAGraph()
            try:
                self._warm_up(step, restore, before)
                self._capture(step, graph)
            except Exception:
                graph.reset()  # else memory would still be taken from its pool
                raise
            finally:
                # Where recording fails, torch leaves its own stream the current one.
                torch.cuda.set_stream(before)
                restore()
        self._graphs.add(graph)
        return graph.replay

    def _warm_up(self, step: Step, restore: Step, before: torch.cuda.Stream) -> None:
        stream = self._stream
        stream.wait_stream(before)
        try:
            with torch.cuda.stream(stream):
                for turn in range(WARM_UPS):
                    with waiting_refused() if turn else nullcontext():
                        step()
                    restore()
        finally:
            before.wait_stream(stream)  # what is restored after a failure comes after its work

    def _capture(self, step: Step, graph: torch.cuda.CUDAGraph) -> None:
        failed: Exception | None = None
        try:
            # Another thread may take memory meanwhile: only what this one does is refused.
            with torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                try:
                    step()
                except Exception as error:
                    failed = error
                    raise
        except Exception as error:
            if failed is None or failed is error:
                raise
            raise failed from error  # torch says only that ending the capture failed


@contextmanager
def waiting_refused() -> Iterator[None]:
    """Inside, work that waits for the device raises, as far as torch can tell.

    A capture would fail there as well, but leave more behind.
    """
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls it a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


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

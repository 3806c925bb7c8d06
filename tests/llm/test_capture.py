"""In which order a recording is made, and what is left where that fails.

torch.cuda is stood in for by notes of what is asked of it, since there is no GPU: that torch then
does what its documentation says is not shown here (``benchmarks/gpu.py`` is to).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch

from engine.llm.decoding.capture import CudaRecorder

SIDE, MAIN = "side", "main"


class Cuda:
    """Notes; fails where it is told to."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.pools: list[object] = []
        self.current = MAIN
        self.strict = "default"
        self.capturing = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        notes, cuda = self.notes, self

        class Stream:
            def __init__(self, name: Any) -> None:
                self.name = name if name == MAIN else SIDE

            def wait_stream(self, other: Stream) -> None:
                notes.append(f"{self.name} waits for {other.name}")

        class Graph:
            def replay(self) -> None:
                notes.append("replay")

            def reset(self) -> None:
                notes.append("reset")

        @contextmanager
        def stream(used: Stream) -> Iterator[None]:
            before, cuda.current = cuda.current, used.name
            try:
                yield
            finally:
                cuda.current = before

        @contextmanager
        def capture(_graph: Graph, pool: object, **_: Any) -> Iterator[None]:
            cuda.pools.append(pool)
            cuda.current, cuda.capturing = SIDE, True
            try:
                yield
            except Exception:
                raise RuntimeError("ending the capture failed") from None
            finally:
                cuda.capturing = False
            cuda.current = MAIN  # which torch does not do where ending the capture fails

        main = Stream(MAIN)
        for name, value in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "stream": stream,
            "graph": capture,
            "graph_pool_handle": object,
            "device": nullcontext,
            "current_stream": lambda _device: main,
            "set_stream": lambda used: setattr(cuda, "current", used.name),
            "get_sync_debug_mode": lambda: cuda.strict,
            "set_sync_debug_mode": lambda mode: setattr(cuda, "strict", mode),
        }.items():
            monkeypatch.setattr(f"torch.cuda.{name}", value)

    def step(self, fails: Callable[[], bool] = lambda: False) -> Callable[[], None]:
        def step() -> None:
            how = "captured" if self.capturing else self.strict
            self.notes.append(f"step on {self.current}, {how}")
            if fails():
                raise ValueError("the step's own")

        return step

    def restore(self) -> None:
        self.notes.append(f"restore on {self.current}")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    made = Cuda()
    made.install(monkeypatch)
    return made


WARM_UP = [
    "side waits for main",
    "step on side, default",
    "restore on side",
    "step on side, error",  # waiting for the device is an error
]


def test_a_recording_is_warmed_up_and_then_captured(cuda: Cuda) -> None:
    made = CudaRecorder(torch.device("cuda", 0))(cuda.step(), cuda.restore)
    assert cuda.notes == [
        *WARM_UP,
        "restore on side",
        "main waits for side",
        "step on side, captured",
        "restore on main",
    ]
    made()
    assert cuda.notes[-1] == "replay" and cuda.strict == "default"


def test_what_waits_is_found_before_anything_is_captured(cuda: Cuda) -> None:
    recorder = CudaRecorder(torch.device("cuda", 0))
    with pytest.raises(ValueError, match="own"):
        recorder(cuda.step(lambda: cuda.strict == "error"), cuda.restore)
    # What is restored comes after what the step began to do.
    assert cuda.notes == [*WARM_UP, "main waits for side", "reset", "restore on main"]
    assert cuda.strict == "default" and not cuda.pools


def test_of_a_capture_that_fails_the_first_error_is_told(cuda: Cuda) -> None:
    recorder = CudaRecorder(torch.device("cuda", 0))
    with pytest.raises(ValueError, match="own") as raised:
        recorder(cuda.step(lambda: cuda.capturing), cuda.restore)
    assert "ending the capture" in str(raised.value.__cause__)
    assert cuda.notes[-2:] == ["reset", "restore on main"]


def test_graphs_share_a_pool_as_long_as_one_of_them_is_there(cuda: Cuda) -> None:
    recorder = CudaRecorder(torch.device("cuda", 0))
    made = [recorder(cuda.step(), cuda.restore) for _ in range(2)]
    del made[0]
    made.append(recorder(cuda.step(), cuda.restore))
    assert len({id(pool) for pool in cuda.pools}) == 1
    made.clear()
    gc.collect()
    recorder(cuda.step(), cuda.restore)
    assert cuda.pools[-1] is not cuda.pools[0]

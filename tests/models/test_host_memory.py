"""Of a model that is loaded there never are two copies in the host's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch

from engine.config import VLMConfig
from engine.vlm.dual_encoder.model import load_open_clip
from tests.support.tiny_llm import save_tiny, tiny_model

MOST = 1.35
"""Times the weights: they themselves, and what the libraries take besides."""

WEIGHTS = "open_clip_pytorch_model.bin"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="memory is measured by what Linux tells"
)
MEASURING = """
import sys, threading
from engine.models import threads
threads.prepare()
import torch
from engine.config import LLMConfig, VLMConfig

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

def watch():
    while not done.wait(0.01):
        peaks.append(anonymous())

def load(model, more):
    if not more:
        from engine.llm.transformers_loading import load_model
        return load_model(LLMConfig(model=model, device="cpu", dtype="float32"), print)[0]
    from engine.vlm.dual_encoder.model import load_open_clip
    vlm = VLMConfig(model=model, pretrained=more[0], device="cpu", precision=more[1])
    return load_open_clip(vlm, print).model

load(*SMALL)  # so that libraries have what they take once and for all
torch.zeros(64, 64) @ torch.zeros(64, 64)
before, done, peaks = anonymous(), threading.Event(), []
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
model = load(*BIG)
done.set()
watcher.join()
print((max([*peaks, anonymous()]) - before) / sum(p.nbytes for p in model.parameters()))
"""


def peak(small: tuple[object, ...], big: tuple[object, ...]) -> float:
    """The largest anonymous memory while the big model was loaded, in sizes of its weights."""
    code = f"SMALL, BIG = {small!r}, {big!r}\n{MEASURING}"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


def test_of_an_llm_that_is_made_another_type(tmp_path: Path) -> None:
    small, big = save_tiny(tmp_path / "small", "llama"), save_tiny(tmp_path / "big", "llama")
    (big / "model.safetensors").unlink()
    tiny_model("llama", hidden_size=1024, intermediate_size=3072, num_hidden_layers=2).to(
        torch.bfloat16
    ).save_pretrained(big, max_shard_size="30MB")
    assert 0.9 < peak((str(small), ()), (str(big), ())) < MOST  # 160 MB


def test_of_a_dual_encoder_in_a_pickled_file(tmp_path: Path) -> None:
    small, big = (folder(tmp_path / str(width), width) for width in (64, 640))
    assert 0.9 < peak((small, (None, "fp32")), (big, (None, "fp32"))) < MOST  # 150 MB


def test_a_file_too_old_to_be_read_in_pieces_is_read_as_a_whole(tmp_path: Path) -> None:
    vlm = VLMConfig(model=folder(tmp_path, 64, False), device="cpu", precision="fp32")
    state = torch.load(tmp_path / WEIGHTS, weights_only=True)
    loaded = load_open_clip(vlm, print).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def folder(made: Path, width: int, as_archive: bool = True) -> str:
    """A random model in a folder of open_clip's, its weights pickled."""
    shape = {
        "embed_dim": 32,
        "vision_cfg": {"layers": 1, "width": 64, "patch_size": 32, "image_size": 32},
        "text_cfg": {"context_length": 16, "width": width, "heads": 4, "layers": 1},
    }
    made.mkdir(exist_ok=True)
    model = open_clip.CLIP(**shape)
    torch.save(model.state_dict(), made / WEIGHTS, _use_new_zipfile_serialization=as_archive)
    (made / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape}))
    return str(made)

"""Train the vision tower of the demo's LLaVA: an ordinary CLIPVisionModel, from nothing.

Supervised, as the tiny CLIP's image tower is: linear heads read off the class token what can be
seen of the object (the 56 pictures of clip_data.py) and the visible factors. The class token is
read before the tower's last layer norm, where LLaVA takes its features. A transformer has no idea
of neighbourhood to begin with, so images are shifted by up to two pixels from the start (without,
it learns the pool by heart), and patches and positions begin at the scale of its hidden states.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from engine.data.demo_world.shapes import SIDE
from engine.demo.training.clip_data import PICTURES, Pool, draw_pool
from engine.demo.training.train_clip import Heads, one_cycle, to_input

HIDDEN = 128
PATCH = 8  # pixels
VARIANTS = 6  # images of each class under each setting of the hidden factors
STEPS, BATCH, LEARNING_RATE = 4500, 128, 1.5e-3
SHIFT = 2  # pixels, either way
QUICK_SETTINGS = 12  # of the hidden factors, of whose images next to nothing is learnt


def vision_config() -> CLIPVisionConfig:
    """About 0.7 million parameters; 16 patches and the class token."""
    return CLIPVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=3 * HIDDEN,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=HIDDEN,
        hidden_act="gelu",  # one kernel, where CLIP's quick_gelu takes several
    )


def build_tower() -> CLIPVisionModel:
    """An untrained tower."""
    model = CLIPVisionModel(vision_config())
    # The names of the inner modules differ between versions of transformers.
    embeddings: Any = next(m for m in model.modules() if hasattr(m, "patch_embedding"))
    nn.init.normal_(embeddings.patch_embedding.weight, std=(3 * PATCH**2) ** -0.5)
    nn.init.normal_(embeddings.position_embedding.weight, std=0.3)
    nn.init.normal_(embeddings.class_embedding, std=0.3)
    return model


def shifted(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each image (n, 32, 32, 3) moved by up to SHIFT pixels, its edge drawn out."""
    count = len(pixels)
    edge = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    padded = np.pad(pixels, edge, mode="edge")
    rows, columns = rng.integers(0, 2 * SHIFT + 1, (2, count, 1)) + np.arange(SIDE)
    moved: NDArray[np.uint8] = padded[
        np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return moved


def train_tower(
    pool: Pool, rng: np.random.Generator, steps: int, kept: Path
) -> tuple[CLIPVisionModel, Heads]:
    """Train; now and then the state so far is written to `kept`, to be looked at."""
    tower, heads = build_tower(), Heads(HIDDEN, len(PICTURES))
    tower.train()
    tower.set_attn_implementation("eager")  # quicker than sdpa's backward pass at these sizes
    parameters = [*tower.parameters(), *heads.parameters()]
    optimizer, schedule = one_cycle(parameters, LEARNING_RATE, steps)
    counts = pool.visible.shape[:3]
    started, losses, hits = time.monotonic(), 0.0, 0.0
    for step in range(steps):
        s, c, v = (rng.integers(0, n, BATCH) for n in counts)
        x = to_input(shifted(pool.pixels[s, c, v], rng))
        with torch.autocast("cpu", torch.bfloat16):
            features = tower(pixel_values=x).last_hidden_state[:, 0].float()
        seen = torch.from_numpy(pool.seen[s, c])
        loss = heads.loss(features, seen, torch.from_numpy(pool.visible[s, c, v]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses += loss.item()
        with torch.no_grad():
            hits += (heads.heads[0](features).argmax(1) == seen).float().mean().item()
        if (step + 1) % 100 == 0:
            print(
                f"vision {step + 1}/{steps}: loss {losses / 100:.3f}, seen {hits / 100:.3f}, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            losses = hits = 0.0
        if (step + 1) % 500 == 0 or step + 1 == steps:
            state = {"tower": tower.state_dict(), "heads": heads.state_dict(), "steps": step + 1}
            torch.save(state, kept)
    tower.train(False)
    return tower, heads


def load_tower(kept: Path) -> tuple[CLIPVisionModel, Heads]:
    """What `train_tower` wrote."""
    state = torch.load(kept, weights_only=True)
    tower, heads = build_tower(), Heads(HIDDEN, len(PICTURES))
    tower.load_state_dict(state["tower"])
    heads.load_state_dict(state["heads"])
    tower.train(False)
    return tower, heads


@torch.no_grad()
def features(tower: CLIPVisionModel, pixels: NDArray[np.uint8], batch: int = 512) -> Tensor:
    """Last hidden states as LLaVA takes them, (n, 17, HIDDEN), of (n, 32, 32, 3) bytes."""
    return torch.cat(
        [
            tower(pixel_values=to_input(pixels[i : i + batch])).last_hidden_state
            for i in range(0, len(pixels), batch)
        ]
    )


def main(kept: Path, *, seed: int = 0, quick: bool = False) -> None:
    """Train and write to the file `kept`; `quick` trains next to nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    pool = draw_pool(seed, 1, settings=QUICK_SETTINGS) if quick else draw_pool(seed, VARIANTS)
    train_tower(pool, np.random.default_rng(seed), 4 if quick else STEPS, kept)

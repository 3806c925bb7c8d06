"""Train the demo's tiny CLIP from nothing: an ordinary open_clip model with a small config.

Three phases, on one core:

1. The image tower alone learns to tell what can be seen (supervised): the family and its apparent
   angle, hue, size, handedness or brightness, and the visible factors.
2. The text tower alone learns to tell what a caption lets one expect to see, with the same linear
   head: a cup upside down is one picture, a cup and no more is any of four. Contrast alone finds
   this rule too, but only after a long plateau, since each batch says little about each caption.
3. Both towers learn together. A batch is made of groups; in a group all images share the hidden
   factors and all captions come from one template, as when a template is scored. The loss inside
   a group is what makes the wording matter: there, naming a hidden factor is the only way to do
   better than guess between cup and bell. The usual loss over the whole batch and the first
   phase's loss are kept beside it with small weights.

`main` writes an open_clip local directory (open_clip_config.json, open_clip_model.safetensors in
fp16, tokenizer files), which loads by "local-dir:<path>" without any code of ours.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from engine.data.demo_world.shapes import SIDE
from engine.data.demo_world.vocabulary import (
    CLASSES,
    FACTORS,
    FAMILIES,
    FAMILY_OF,
    VISIBLE_FACTORS,
    build_template,
)
from engine.demo.training.captions import (
    CONTEXT_LENGTH,
    build_tokenizer,
    save_tokenizer,
    training_template,
)
from engine.demo.training.clip_data import (
    PICTURES,
    SETTINGS,
    Pool,
    draw_pool,
    expected_pictures,
    popularity,
)
from engine.prompts.template import PLACEHOLDER

SEED = 0
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # of the pixel values after scaling to 0..1
VARIANTS = 6  # images of each class under each setting of the hidden factors
IMAGE_STEPS, IMAGE_BATCH = 1500, 128
TEXT_STEPS, TEXT_BATCH = 1200, 128
STEPS, GROUPS, GROUP_CLASSES = 900, 8, 24


def model_config(vocabulary_size: int) -> dict[str, Any]:
    """The model's part of open_clip_config.json."""
    return {
        "embed_dim": 48,
        "vision_cfg": {"layers": [1, 1, 2, 1], "width": 12, "head_width": 64, "image_size": SIDE},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": 96,
            "heads": 4,
            "layers": 3,
            "pool_type": "argmax",
            # Any name makes open_clip read the tokenizer files of the local directory.
            "hf_tokenizer_name": "glov-demo",
        },
    }


def to_input(pixels: NDArray[np.uint8]) -> Tensor:
    """(n, 32, 32, 3) bytes to what open_clip's transform gives, (n, 3, 32, 32)."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


class Heads(nn.Module):
    """What can be seen, read off the image embedding; thrown away after training."""

    def __init__(self, width: int, seen: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Linear(width, n) for n in (seen, *(len(FACTORS[f].values) for f in VISIBLE_FACTORS))
        )

    def loss(self, features: Tensor, seen: Tensor, visible: Tensor) -> Tensor:
        """`features` (n, width) as they come, `seen` (n,), `visible` (n, 4)."""
        loss = F.cross_entropy(self.heads[0](features), seen)
        for head, labels in zip(list(self.heads)[1:], visible.unbind(1), strict=True):
            loss = loss + 0.1 * F.cross_entropy(head(features), labels)
        return loss


def one_cycle(
    parameters: list[nn.Parameter], rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    decayed = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
        lr=rate,
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.15)
    return optimizer, schedule


def warm_up_images(
    model: CLIP, heads: Heads, pool: Pool, rng: np.random.Generator, steps: int
) -> None:
    """Phase 1: the image tower learns what can be seen."""
    parameters = [*model.visual.parameters(), *heads.parameters()]
    optimizer, schedule = one_cycle(parameters, 4e-3, steps)
    s_count, c_count, v_count = pool.visible.shape[:3]
    started, losses = time.monotonic(), 0.0
    for step in range(steps):
        s, c, v = (rng.integers(0, n, IMAGE_BATCH) for n in (s_count, c_count, v_count))
        features = model.encode_image(to_input(pool.pixels[s, c, v]))
        loss = heads.loss(
            features, torch.from_numpy(pool.seen[s, c]), torch.from_numpy(pool.visible[s, c, v])
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses += loss.item()
        if (step + 1) % 100 == 0:
            print(
                f"clip images {step + 1}/{steps}: loss {losses / 100:.3f}, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            losses = 0.0


def _caption_batches(
    tokenizer: PreTrainedTokenizerFast, words: random.Random, ease: float
) -> list[tuple[Tensor, Tensor]]:
    """Eight batches of token ids (TEXT_BATCH, longest) and what they let expect (..., seen).

    Sorted by length before they are cut into batches, so that little of them is padding. A part
    `ease` of the captions names no more than one hidden factor and nothing else.
    """
    texts, rows = [], []
    for _ in range(8 * TEXT_BATCH):
        hidden, name = SETTINGS[words.randrange(len(SETTINGS))], words.choice(CLASSES)
        if words.random() < ease:
            factor = FAMILIES[FAMILY_OF[name]].factor
            named = {factor: hidden[factor]}
            template = build_template(named, words)
        else:
            visible = {f: words.choice(tuple(FACTORS[f].values)) for f in VISIBLE_FACTORS}
            template, named = training_template(hidden, visible, words)
        texts.append(template.replace(PLACEHOLDER, name))
        rows.append(_expected_row(name, named))
    ids, target = _tokens(tokenizer, texts), torch.stack(rows)
    lengths = (ids != tokenizer.pad_token_id).sum(1)
    order = lengths.argsort()
    chunks = [order[i : i + TEXT_BATCH] for i in range(0, len(order), TEXT_BATCH)]
    words.shuffle(chunks)
    return [(ids[c, : int(lengths[c].max())], target[c]) for c in chunks]


def warm_up_texts(
    model: CLIP,
    heads: Heads,
    tokenizer: PreTrainedTokenizerFast,
    words: random.Random,
    steps: int,
) -> None:
    """Phase 2: the text tower learns what a caption lets one expect; the head stays as it is."""
    towers = {id(p) for p in (*model.visual.parameters(), model.logit_scale)}
    parameters = [p for p in model.parameters() if id(p) not in towers]
    optimizer, schedule = one_cycle(parameters, 3e-3, steps)
    started, losses, hits = time.monotonic(), 0.0, 0.0
    batches: list[tuple[Tensor, Tensor]] = []
    for step in range(steps):
        if not batches:
            ease = max(0.1, 1 - 3 * step / steps)
            batches = _caption_batches(tokenizer, words, ease)
        ids, target = batches.pop()
        scores = heads.heads[0](encode_text(model, ids)).log_softmax(1)
        # The entropy of the target is what no reader can avoid; without it, 0 is perfect.
        loss = F.kl_div(scores, target, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses += loss.item()
        hits += (target.gather(1, scores.argmax(1, keepdim=True)) > 0).float().mean().item()
        if (step + 1) % 100 == 0:
            print(
                f"clip texts {step + 1}/{steps}: loss {losses / 100:.3f}, "
                f"possible {hits / 100:.3f}, {time.monotonic() - started:.0f} s",
                flush=True,
            )
            losses = hits = 0.0


@dataclass(frozen=True)
class _Group:
    """Images and captions that share the hidden factors and a template, n about GROUP_CLASSES."""

    index: NDArray[np.int64]  # (n, 3) into the pool
    texts: list[str]  # n
    expected: Tensor  # (n, pictures): what each caption lets one expect
    popularity: Tensor  # (n,) of the captions' classes


def _group(pool: Pool, rng: np.random.Generator, words: random.Random) -> _Group:
    """Random families, all their classes, under one setting and one template.

    Images differ in the visible factors, so a template that names one speaks of the first image.
    """
    s = int(rng.integers(0, len(SETTINGS)))
    families = list(FAMILIES)
    words.shuffle(families)
    names = [c for f in families for c in FAMILIES[f].classes][:GROUP_CLASSES]
    c = np.array([CLASSES.index(name) for name in names])
    v = rng.integers(0, pool.pixels.shape[2], len(c))
    visible = None
    if words.random() < 0.5:
        values = pool.visible[s, c[0], v[0]]
        visible = {f: tuple(FACTORS[f].values)[values[k]] for k, f in enumerate(VISIBLE_FACTORS)}
    template, named = training_template(SETTINGS[s], visible, words)
    return _Group(
        np.stack([np.full_like(c, s), c, v], axis=1),
        [template.replace(PLACEHOLDER, name) for name in names],
        torch.stack([_expected_row(name, named) for name in names]),
        torch.tensor([popularity(name) for name in names]),
    )


def _expected_row(class_name: str, named: Mapping[str, str]) -> Tensor:
    """`expected_pictures` as a tensor, (pictures,)."""
    row = torch.zeros(len(PICTURES))
    for picture, probability in expected_pictures(class_name, named).items():
        row[PICTURES[picture]] = probability
    return row


def _tokens(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> Tensor:
    """Token ids (n, longest), cut at the longest text: exact under the causal mask."""
    encoded = tokenizer(
        texts, padding="longest", truncation=True, max_length=CONTEXT_LENGTH, return_tensors="pt"
    )
    ids: Tensor = encoded["input_ids"]
    return ids


def encode_text(model: CLIP, ids: Tensor) -> Tensor:
    """`model.encode_text` for texts (n, length) cut shorter than the context length, (n, d).

    open_clip's own method takes full-length texts only, which would cost twice the time here.
    """
    length = ids.shape[1]
    x = model.token_embedding(ids) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    features: Tensor = x[torch.arange(len(ids)), ids.argmax(dim=1)] @ model.text_projection
    return features


def contrast(
    model: CLIP,
    heads: Heads,
    pool: Pool,
    tokenizer: PreTrainedTokenizerFast,
    rng: np.random.Generator,
    words: random.Random,
    steps: int,
) -> None:
    """Phase 3: both towers learn from groups of images and captions."""
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer, schedule = one_cycle(parameters, 2e-3, steps)
    started, losses = time.monotonic(), 0.0
    for step in range(steps):
        groups = [_group(pool, rng, words) for _ in range(GROUPS)]
        s, c, v = np.concatenate([g.index for g in groups]).T
        raw = model.encode_image(to_input(pool.pixels[s, c, v]))
        texts = [text for g in groups for text in g.texts]
        text = F.normalize(encode_text(model, _tokens(tokenizer, texts)), dim=-1)
        logits = model.logit_scale.exp() * F.normalize(raw, dim=-1) @ text.T
        seen = torch.from_numpy(pool.seen[s, c])
        likelihood = torch.cat([g.expected for g in groups])[:, seen].T
        popular = torch.cat([g.popularity for g in groups])
        loss = 0.2 * _both_ways(logits, likelihood, popular)
        start = 0
        for group in groups:
            block = slice(start, start + len(group.texts))
            start = block.stop
            loss = loss + _both_ways(
                logits[block, block], likelihood[block, block], popular[block]
            ) / len(groups)
        loss = loss + 0.3 * heads.loss(raw, seen, torch.from_numpy(pool.visible[s, c, v]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(60))
        losses += loss.item()
        if (step + 1) % 50 == 0:
            print(
                f"clip {step + 1}/{steps}: loss {losses / 50:.3f}, "
                f"scale {model.logit_scale.exp().item():.1f}, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            losses = 0.0


def _both_ways(logits: Tensor, likelihood: Tensor, popular: Tensor) -> Tensor:
    """CLIP's loss, each image finds its captions, each caption its images, less what no reader
    can avoid: 0 is perfect.

    `logits` and `likelihood` (images, captions); the latter is the probability of what the image
    shows, given the caption. `popular` (captions,) is how common each caption's class is. CLIP's
    own targets, one caption for an image, are a sample of these probabilities: they teach the
    same, but with more noise.
    """
    loss = logits.new_zeros(())
    for scores, weights in ((logits, likelihood * popular), (logits.T, likelihood.T)):
        target = weights / weights.sum(1, keepdim=True)
        loss = loss + F.kl_div(scores.log_softmax(1), target, reduction="batchmean") / 2
    return loss


def save(model: CLIP, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the open_clip local directory."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_cfg": model_config(len(tokenizer)),
        "preprocess_cfg": {"mean": MEAN, "std": STD, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {
        name: (t.half() if t.is_floating_point() else t).contiguous()
        for name, t in model.state_dict().items()
    }
    weights = folder / "open_clip_model.safetensors"
    save_file(state, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes files for their owner only; these are shipped
    save_tokenizer(tokenizer, folder)


def main(output: Path, *, seed: int = SEED, quick: bool = False) -> None:
    """Train and write the model to the folder `output`; `quick` trains next to nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng, words = np.random.default_rng(seed), random.Random(seed)
    started = time.monotonic()
    tokenizer = build_tokenizer(random.Random(seed))
    pool = draw_pool(seed, 1 if quick else VARIANTS)
    print(
        f"clip: {pool.pixels[..., 0, 0, 0].size} images drawn, {time.monotonic() - started:.0f} s",
        flush=True,
    )
    config = model_config(len(tokenizer))
    model = CLIP(**config, init_logit_scale=math.log(14))
    heads = Heads(config["embed_dim"], len(PICTURES))
    size = sum(p.numel() for p in model.parameters())
    print(f"clip: {size / 1e6:.2f} M parameters", flush=True)
    model.train()
    warm_up_images(model, heads, pool, rng, 10 if quick else IMAGE_STEPS)
    warm_up_texts(model, heads, tokenizer, words, 10 if quick else TEXT_STEPS)
    contrast(model, heads, pool, tokenizer, rng, words, 10 if quick else STEPS)
    model.eval()
    save(model, tokenizer, output)
    print(f"clip: written to {output}, {time.monotonic() - started:.0f} s", flush=True)

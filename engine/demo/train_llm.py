"""Train the tiny LLM of the offline default: an ordinary Llama that proposes templates.

    python -m engine.demo.train llm

The model imitates the replies of `dialogues.py`. To make much of little computing time, several
replies to one meta-prompt are trained at once: they follow the prompt in one sequence, and a mask
lets each see the prompt and itself only. For steering, some of them are repeated with an offset
on their hidden states, exactly as `last-token` steering adds it: the offset is alpha * (H+ - H-)
of the imaginary run's P+ and P- at one random layer, a steered token sees the un-steered earlier
ones, and no other token sees it. So the model learns to write whole sentences while steered.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    DynamicCache,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from engine.demo.dialogues import Dialogue, make_dialogue
from engine.demo.llm_tokenizer import MAX_LENGTH, build_tokenizer

HIDDEN = 128
LAYERS = 6
STEPS = 2600
BATCH = 8  # dialogues
REPLIES = 3  # to each meta-prompt
STEERED = 1  # of them once more with an offset
PROMPT_WEIGHT = 0.1  # of the loss on the meta-prompt's own tokens
LEARNING_RATE = 3e-3
MAX_ALPHA = 4.0
SHORT = 0.25  # of the training shows at most two examples of each kind: quick, and easy to grasp
_POOL = 24  # batches that are drawn together and sorted by length, against padding


@dataclass(frozen=True, slots=True)
class Batch:
    """B prompts of up to P tokens, each followed by R tokens: replies, then some to be steered.

    Attributes:
        prompts: (B, P) int64, padded on the right, without the header that asks for the reply.
        prompt_targets: (B, P) int64, the next token; -100 where there is none.
        replies: (B, R) int64, each reply begins with the header.
        reply_targets: (B, R) int64, the next token; -100 where there is none.
        positions: (B, R) int64, place in the dialogue that a token of a reply has.
        mask: (B, 1, R, P + R) bfloat16, 0 where a token of a reply (dim 2) sees another (dim 3),
            very negative elsewhere.
        steered: (B, R) bool, true for tokens that get an offset.
        anchors: the texts P+ and P- of each dialogue, or None.
    """

    prompts: Tensor
    prompt_targets: Tensor
    replies: Tensor
    reply_targets: Tensor
    positions: Tensor
    mask: Tensor
    steered: Tensor
    anchors: tuple[tuple[str, str] | None, ...]


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of about 1.2 million parameters."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN * 11 // 4,
        num_hidden_layers=LAYERS,
        num_attention_heads=HIDDEN // 32,
        num_key_value_heads=HIDDEN // 64,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")  # quicker than sdpa's backward pass at these sizes
    return model


def main(output: Path, *, seed: int = 0, steps: int = STEPS, steered: int = STEERED) -> None:
    """Train from nothing and save a hub model folder; prints progress to stdout.

    Args:
        output: folder for the weights, made if it is missing.
        seed: of the weights and of the dialogues.
        steps: training steps of ``BATCH`` dialogues.
        steered: replies of each dialogue that are trained with an offset too, 0 to ``REPLIES``.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    size = sum(p.numel() for p in model.parameters())
    print(f"tiny LLM: {size / 1e6:.2f} M parameters, {len(tokenizer)} tokens", flush=True)
    optimizers = _optimizers(model)
    begun = time.monotonic()
    rng = random.Random(f"{seed}/offsets")
    mean = 0.0
    for step, batch in enumerate(_batches(tokenizer, seed, steered, steps)):
        rate = _schedule(step / steps)
        loss = _train_step(model, tokenizer, batch, optimizers, rate, rng)
        mean = loss if step == 0 else 0.98 * mean + 0.02 * loss
        if step % 50 == 0 or step == steps - 1:
            seconds = time.monotonic() - begun
            print(f"step {step:5d}  reply loss {mean:.3f}  {seconds:6.0f} s", flush=True)
    save(model, tokenizer, output)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write the model in half precision as a hub model folder."""
    output.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=1.0,
        top_p=0.9,
        top_k=50,
        max_new_tokens=50,
    )
    model.half()  # type: ignore[no-untyped-call]
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


# -- batches -------------------------------------------------------------------------------------


def _batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, steered: int, steps: int
) -> Iterator[Batch]:
    rng = random.Random(f"{seed}/dialogues")
    ready: list[Batch] = []
    for step in range(steps):
        if not ready:
            most = 2 if step < SHORT * steps else 6
            dialogues = [make_dialogue(rng, REPLIES, most) for _ in range(BATCH * _POOL)]
            dialogues.sort(key=lambda d: sum(len(m["content"]) for m in d.messages))
            for start in range(0, len(dialogues), BATCH):
                ready.append(make_batch(tokenizer, dialogues[start : start + BATCH], steered))
            rng.shuffle(ready)
        yield ready.pop()


def make_batch(
    tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Dialogue], steered: int
) -> Batch:
    """Pack dialogues, each with all its replies and the first ``steered`` of them once more."""
    pad = cast(int, tokenizer.pad_token_id)
    rows = [_pack(tokenizer, dialogue, steered) for dialogue in dialogues]
    lengths = torch.tensor([len(row.prompt) for row in rows])
    segments = _padded([row.segments for row in rows], 0)
    sources = _padded([row.sources for row in rows], 0)
    positions = _padded([row.positions for row in rows], 0)
    return Batch(
        prompts=_padded([row.prompt for row in rows], pad),
        prompt_targets=_padded([[*row.prompt[1:], -100] for row in rows], -100),
        replies=_padded([row.replies for row in rows], pad),
        reply_targets=_padded([row.targets for row in rows], -100),
        positions=positions,
        mask=_mask(lengths, positions, segments, sources),
        steered=sources != segments,
        anchors=tuple(dialogue.anchors for dialogue in dialogues),
    )


@dataclass(slots=True)
class _Row:
    """Tokens of one dialogue. A steered token's source is the segment (reply) it is a copy of."""

    prompt: list[int]
    replies: list[int]
    targets: list[int]
    positions: list[int]
    segments: list[int]  # from 1; padding has 0
    sources: list[int]


def _pack(tokenizer: PreTrainedTokenizerFast, dialogue: Dialogue, steered: int) -> _Row:
    # The header that asks for the reply is the first token of every reply instead.
    *prompt, header = cast(
        list[int],
        tokenizer.apply_chat_template(
            [cast(dict[str, str], message) for message in dialogue.messages],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=False,
        ),
    )
    row = _Row(prompt, [], [], [], [], [])
    segment = 0
    for copies in (dialogue.replies, dialogue.replies[:steered] if dialogue.anchors else ()):
        for source, text in enumerate(copies, start=1):
            segment += 1
            reply = tokenizer(text, add_special_tokens=False)["input_ids"]
            row.replies += [header, *reply]
            row.targets += [*reply, cast(int, tokenizer.eos_token_id)]
            row.positions += range(len(prompt), len(prompt) + 1 + len(reply))
            row.segments += [segment] * (1 + len(reply))
            row.sources += [source] * (1 + len(reply))
    return row


def _mask(lengths: Tensor, positions: Tensor, segments: Tensor, sources: Tensor) -> Tensor:
    """Who sees whom: all see the prompt and their own past, which is never steered.

    Args:
        lengths: (B,) int64, tokens of the prompts.
        positions, segments, sources: (B, R) int64; padding has segment 0.
    """
    size = positions.shape[1]
    prompt = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]  # (B, P)
    prompt = prompt[:, None, :].expand(-1, size, -1)
    steered = sources != segments
    past = (positions[:, :, None] > positions[:, None, :]) & ~steered[:, None, :]
    past &= sources[:, :, None] == segments[:, None, :]
    itself = torch.eye(size, dtype=torch.bool)
    seen = torch.cat((prompt, past | itself), dim=2)[:, None]
    return torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill_(~seen, -1e4)


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])


# -- steps ---------------------------------------------------------------------------------------


def _optimizers(model: LlamaForCausalLM) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices, AdamW for embeddings and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    return (
        torch.optim.Muon(
            matrices, lr=LEARNING_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01),
    )


def _schedule(done: float) -> float:
    """Factor on the learning rate: a short warm-up, then a cosine to nearly nothing."""
    return min(1.0, (done + 1e-3) / 0.03) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done)))


def _train_step(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    batch: Batch,
    optimizers: Sequence[torch.optim.Optimizer],
    rate: float,
    rng: random.Random,
) -> float:
    """One update; returns the loss on the replies, in nats per token."""
    layer = rng.randrange(LAYERS)
    with torch.autocast("cpu", torch.bfloat16):
        offsets = _offsets(model, tokenizer, batch, layer, rng)
        prompt, replies = forward(model, batch, layer, offsets)
        prompt_loss = _cross_entropy(model.lm_head(prompt), batch.prompt_targets)
        reply_loss = _cross_entropy(model.lm_head(replies), batch.reply_targets)
    loss = reply_loss + PROMPT_WEIGHT * prompt_loss
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(reply_loss.detach())


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100)


def forward(
    model: LlamaForCausalLM, batch: Batch, layer: int = 0, offsets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Last hidden states of prompts (B, P, H) and replies (B, R, H).

    ``offsets``: (B, R, H), added to the output of one decoder layer where replies are read.
    """
    cache = DynamicCache()  # given by position: its keyword's name differs between versions
    prompt = model.model(batch.prompts, None, None, cache, use_cache=True)
    handle = None
    if offsets is not None:
        handle = model.model.layers[layer].register_forward_hook(
            lambda module, args, output: output + offsets.to(output.dtype)
        )
    try:
        replies = model.model(batch.replies, batch.mask, batch.positions, cache, use_cache=True)
    finally:
        if handle is not None:
            handle.remove()
    return prompt.last_hidden_state, replies.last_hidden_state


@torch.no_grad()
def _offsets(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    batch: Batch,
    layer: int,
    rng: random.Random,
) -> Tensor | None:
    """alpha * (H+ - H-) of each row's anchors on its steered tokens (B, T, H), else 0."""
    if not bool(batch.steered.any()):
        return None
    texts = [text for pair in batch.anchors for text in (pair or ("", ""))]
    read = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")
    outputs: list[Tensor] = []
    handle = model.model.layers[layer].register_forward_hook(
        lambda module, args, output: outputs.append(output)
    )
    try:
        model.model(
            input_ids=read["input_ids"], attention_mask=read["attention_mask"], use_cache=False
        )
    finally:
        handle.remove()
    words = read["attention_mask"].clone()
    words[:, 0] = 0  # without the begin token, as pool = "no-bos" does
    means = (outputs[0].float() * words[..., None]).sum(1) / words.sum(1).clamp(min=1)[:, None]
    alphas = torch.tensor([MAX_ALPHA * rng.random() ** 2 for _ in batch.anchors])
    directions: Tensor = alphas[:, None] * (means[0::2] - means[1::2])
    return directions[:, None, :] * batch.steered[..., None]

"""Train the tiny LLM of the offline default: an ordinary Llama that proposes templates.

    python -m engine.demo.training.train llm

To follow examples, a model needs attention heads that find an earlier place like the present one
and look up what came next there. Trained from random weights on dialogues alone, a model of this
size finds them late or never. So the heads begin in a useful place (`_prepare_attention`), and the
first steps (`_learn_to_repeat`) are about nothing but repeating random tokens.

Then the model imitates the replies of `dialogues.py`. To make much of little computing time,
several replies to one meta-prompt are trained at once: they follow the prompt in one sequence,
and a mask lets each see the prompt and itself only. For steering, some of them are repeated with
an offset on their hidden states, exactly as `last-token` steering adds it: the offset is alpha *
(H+ - H-) of the imaginary run's P+ and P- at one random layer, a steered token sees the un-
steered earlier ones, and no other token sees it. So the model learns to write whole sentences
while steered.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
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

from engine.demo.training.dialogues import make_dialogue
from engine.demo.training.llm_batches import Batch, make_batch
from engine.demo.training.llm_tokenizer import MAX_LENGTH, build_tokenizer
from engine.demo.training.wordings import TEMPLATES, Wording

HIDDEN = 128
LAYERS = 6
STEPS = 2600
BATCH = 8  # dialogues
REPLIES = 3  # to each meta-prompt
STEERED = 1  # of them once more with an offset
REPEATS = 400  # steps of repeating random tokens, before the dialogues
PROMPT_WEIGHT = 0.5  # of the loss on the meta-prompt: its lists teach how to repeat phrases
LEARNING_RATE = 2e-3
MAX_ALPHA = 4.0
SHORT = 0.1  # of the training shows at most two examples of each kind: quick, easy to grasp
_POOL = 24  # batches that are drawn together and sorted by length, against padding


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
        attention_bias=True,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    _prepare_attention(model)
    model.set_attn_implementation("eager")  # quicker than sdpa's backward pass at these sizes
    return model


def main(
    output: Path,
    *,
    seed: int = 0,
    repeats: int = REPEATS,
    steps: int = STEPS,
    steered: int = STEERED,
) -> None:
    """Train from nothing and save a hub model folder; prints progress to stdout.

    Args:
        output: folder for the weights, made if it is missing.
        seed: of the weights and of the dialogues.
        repeats: steps of repeating random tokens.
        steps: then, training steps of ``BATCH`` dialogues.
        steered: replies of each dialogue that are trained with an offset too, 0 to ``REPLIES``.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    size = sum(p.numel() for p in model.parameters())
    print(f"tiny LLM: {size / 1e6:.2f} M parameters, {len(tokenizer)} tokens", flush=True)
    optimizer = build_optimizer(model)
    _learn_to_repeat(model, optimizer, seed, repeats)
    imitate(model, tokenizer, optimizer, seed=seed, steps=steps, steered=steered)
    save(model, tokenizer, output)


def imitate(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    optimizer: torch.optim.Optimizer,
    *,
    seed: int,
    steps: int,
    steered: int = STEERED,
    wording: Wording = TEMPLATES,
    scale: float = 1.0,
) -> None:
    """Train on dialogues of a wording; the rate begins at ``scale`` times ``LEARNING_RATE``."""
    begun = time.monotonic()
    rng = random.Random(f"{seed}/offsets")
    means = [0.0, 0.0]
    for step, batch in enumerate(_batches(tokenizer, seed, steered, steps, wording)):
        rate = scale * _schedule(step / steps)
        losses = _train_step(model, tokenizer, batch, optimizer, rate, rng)
        keep = 0.96 if step else 0.0
        means = [keep * m + (1 - keep) * loss for m, loss in zip(means, losses, strict=True)]
        if step % 50 == 0 or step == steps - 1:
            seconds = time.monotonic() - begun
            losses_text = f"loss of replies {means[0]:.3f}, of prompts {means[1]:.3f}"
            print(f"step {step:5d}  {losses_text}  {seconds:6.0f} s", flush=True)


def build_optimizer(model: LlamaForCausalLM) -> torch.optim.Optimizer:
    """Its rate is set at every step."""
    return torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )


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
    for file in output.iterdir():
        file.chmod(0o644)  # transformers writes weights for the owner alone


# -- a start for attention -----------------------------------------------------------------------


@torch.no_grad()
def _prepare_attention(model: LlamaForCausalLM) -> None:
    """Weights from which looking things up in the text is a short way.

    In all layers, queries resemble keys, so that a token looks at tokens like itself, and what is
    read is written back as it was (Trockman and Kolter 2023, "Mimetic initialization"). In layer
    0, the heads of the first key head look one token back: their constant query and key (the
    biases) agree best at distance 1 under the rotary embedding.
    """
    config = model.config
    width = config.hidden_size // config.num_attention_heads
    groups = cast(int, config.num_key_value_heads)
    shared = config.num_attention_heads // groups  # heads to one key head
    for layer in model.model.layers:
        attention = layer.self_attn
        keys = torch.randn(groups, width, HIDDEN) / math.sqrt(HIDDEN)
        values = torch.randn(groups, width, HIDDEN) / math.sqrt(HIDDEN)
        queries = keys.repeat_interleave(shared, 0)
        queries = queries + 0.3 * torch.randn_like(queries) / math.sqrt(HIDDEN)
        written = values.repeat_interleave(shared, 0) / shared
        attention.q_proj.weight.copy_(queries.flatten(0, 1))
        attention.k_proj.weight.copy_(keys.flatten(0, 1))
        attention.v_proj.weight.copy_(values.flatten(0, 1))
        attention.o_proj.weight.copy_(written.flatten(0, 1).T)
    first = model.model.layers[0].self_attn
    angles = model.model.rotary_emb.inv_freq  # turn of each pair of dimensions per token
    key = torch.cat((torch.ones_like(angles), torch.zeros_like(angles)))
    query = torch.cat((angles.cos(), -angles.sin()))  # the key, turned back by one token
    first.k_proj.weight[:width] *= 0.1
    first.k_proj.bias[:width] = 2.0 * key
    for head in range(shared):
        rows = slice(head * width, (head + 1) * width)
        first.q_proj.weight[rows] *= 0.1
        first.q_proj.bias[rows] = 2.0 * query


def _learn_to_repeat(
    model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, seed: int, steps: int
) -> None:
    """Random tokens A, some others B, and A again, in many lengths; the loss is on the last A."""
    rng = random.Random(f"{seed}/repeats")
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        length, gap = rng.randint(8, 32), rng.choice((0, rng.randint(1, 40)))
        shape = (16, length + gap)
        words = torch.randint(model.config.vocab_size, shape, generator=generator)
        tokens = torch.cat((words, words[:, :length]), dim=1)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.model(tokens, use_cache=False).last_hidden_state
            logits = model.lm_head(hidden[:, length + gap : -1])
        loss = _cross_entropy(logits, words[:, 1:length])
        _update(model, optimizer, loss, min(1.0, (step + 1) / 30))
        if step % 50 == 49:
            print(f"repeating, step {step + 1}: loss {loss.item():.3f}", flush=True)


# -- batches -------------------------------------------------------------------------------------


def _batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, steered: int, steps: int, wording: Wording
) -> Iterator[Batch]:
    rng = random.Random(f"{seed}/dialogues")
    ready: list[Batch] = []
    for step in range(steps):
        if not ready:
            most = 2 if step < SHORT * steps else 6
            dialogues = [make_dialogue(rng, REPLIES, most, wording) for _ in range(BATCH * _POOL)]
            dialogues.sort(key=lambda d: sum(len(m["content"]) for m in d.messages))
            for start in range(0, len(dialogues), BATCH):
                ready.append(make_batch(tokenizer, dialogues[start : start + BATCH], steered))
            rng.shuffle(ready)
        yield ready.pop()


# -- steps ---------------------------------------------------------------------------------------


def _schedule(done: float) -> float:
    """Factor on the learning rate: a short warm-up, then a cosine to nearly nothing."""
    return min(1.0, (done + 1e-3) / 0.03) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done)))


def _train_step(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    rate: float,
    rng: random.Random,
) -> tuple[float, float]:
    """One update; returns the losses on replies and prompts, in nats per token."""
    layer = rng.randrange(LAYERS)
    with torch.autocast("cpu", torch.bfloat16):
        offsets = _offsets(model, tokenizer, batch, layer, rng)
        prompt, replies = forward(model, batch, layer, offsets)
        prompt_loss = _cross_entropy(model.lm_head(prompt), batch.prompt_targets)
        reply_loss = _cross_entropy(model.lm_head(replies), batch.reply_targets)
    _update(model, optimizer, reply_loss + PROMPT_WEIGHT * prompt_loss, rate)
    return float(reply_loss.detach()), float(prompt_loss.detach())


def _update(
    model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float
) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE * rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


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

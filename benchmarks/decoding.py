"""Steered proposals: time of the exact ways against the reference's, side by side in one run.

A random Llama (512 wide, 8 layers) reads a prompt of 400 tokens and writes 10 replies of 50 tokens,
steered at the layer at 17/32 of its depth. The ways:

- reference: no KV cache, one reply after another, everything read again for every token
- plain hook: KV cache, prompt read once, replies in one batch, the offset on every new position.
  It is not exact: steered keys and values stay behind (mode generated-tokens)
- ours: the layouts of engine.llm.decoding.layouts, all exact, with the decode loop and text as in
  a run

Also printed: the largest difference of logits to the reference's, over fixed tokens.

    python benchmarks/decoding.py [--quick] [--kv-heads 2] [--prompt 800]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Decoder, Layout
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.loop import decode
from engine.llm.decoding.sampling import draw, uniforms
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers

VOCABULARY = 4096
LAYER = 4  # 17/32 of 8 layers
SAMPLING = SamplingConfig(max_new_tokens=50)
_clock: Callable[[], float] = time.perf_counter


def build(kv_heads: int) -> Any:
    """The random model, float32 on the CPU."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=kv_heads,
        max_position_embeddings=4096,
        initializer_range=0.05,
    )
    model: Any = LlamaForCausalLM(config)
    return model.eval().requires_grad_(False)


def build_tokenizer() -> Any:
    """One word a token id."""
    words = {f"w{index}": index for index in range(VOCABULARY)}
    backend = Tokenizer(models.WordLevel(words, "w0"))
    return PreTrainedTokenizerFast(tokenizer_object=backend)  # type: ignore[no-untyped-call]


def hooked(model: Any, vector: Tensor, *, last_only: bool) -> Any:
    """A forward hook as one would write it by hand; returns its handle."""

    def add(_module: Any, _args: Any, output: Tensor) -> Tensor:
        output = output.clone()
        if last_only:
            output[:, -1] += vector
        else:
            output += vector
        return output

    return model.model.layers[LAYER].register_forward_hook(add)


@torch.inference_mode()
def reference(model: Any, prompt: list[int], vector: Tensor, rows: int, tokens: range) -> float:
    """Seconds for ``rows`` replies of the tokens with these numbers, the reference's way."""
    numbers = uniforms(range(rows), SAMPLING.max_new_tokens)
    handle = hooked(model, vector, last_only=True)
    start = _clock()
    for row in range(rows):
        ids = torch.tensor([prompt + [1] * tokens.start])
        for index in tokens:
            ids = torch.cat([ids, ids.new_ones(1, len(prompt) + index - ids.shape[1])], dim=1)
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]
            token = draw(logits, SAMPLING, numbers[row : row + 1, index])
            ids = torch.cat([ids, token[None]], dim=1)
    seconds = _clock() - start
    handle.remove()
    return seconds


@torch.inference_mode()
def plain_hook(model: Any, prompt: list[int], vector: Tensor, rows: int) -> float:
    """Seconds for all replies with an ordinary cache, a shared prefill and an ordinary hook."""
    numbers = uniforms(range(rows), SAMPLING.max_new_tokens)
    start = _clock()
    cache: Any = DynamicCache(config=model.config)
    ids = torch.tensor([prompt])
    model(input_ids=ids[:, :-1], cache=cache, use_cache=True, logits_to_keep=1)
    handle = hooked(model, vector, last_only=False)
    logits = model(input_ids=ids[:, -1:], cache=cache, use_cache=True).logits[:, -1]
    logits = logits.expand(rows, -1)
    cache.batch_repeat_interleave(rows)
    for index in range(SAMPLING.max_new_tokens):
        token = draw(logits, SAMPLING, numbers[:, index])
        token.tolist()
        if index + 1 < SAMPLING.max_new_tokens:
            output = model(input_ids=token[:, None], cache=cache, use_cache=True)
            logits = output.logits[:, -1]
    seconds = _clock() - start
    handle.remove()
    return seconds


def ours(
    layout: Layout,
    decoder: Decoder,
    tokenizer: Any,
    prompt: list[int],
    vector: Tensor | None,
    rows: int,
) -> float:
    """Seconds for all replies with the decode loop, exact; un-steered where there is no vector."""
    injection = None if vector is None else Injection(decoder.layers, {LAYER: vector})
    start = _clock()
    reader = make_reader(layout, decoder, prompt, rows, SAMPLING.max_new_tokens, injection)
    for _column in decode(reader, tokenizer, SAMPLING, range(rows), frozenset(), ""):
        pass
    return _clock() - start


@torch.inference_mode()
def largest_difference(
    layout: Layout, decoder: Decoder, prompt: list[int], vector: Tensor
) -> float:
    """Largest absolute difference of the logits to the reference's, over 6 fixed tokens."""
    tokens = [17, 5, 300, 1021, 4, 77]
    reader = make_reader(
        layout, decoder, prompt, 1, len(tokens), Injection(decoder.layers, {LAYER: vector})
    )
    handle = None
    worst = 0.0
    for index in range(len(tokens)):
        logits = reader.first() if index == 0 else reader.next(torch.tensor([tokens[index - 1]]))
        handle = hooked(decoder.model, vector, last_only=True)
        ids = torch.tensor([prompt + tokens[:index]])
        expected = decoder.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]
        handle.remove()
        worst = max(worst, float((logits - expected).abs().max()))
    return worst


def fastest(repeats: int, way: Callable[[], float]) -> float:
    """The shortest of several runs: other processes only ever make it longer."""
    return min(way() for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="sample the reference's tokens")
    parser.add_argument("--prompt", type=int, default=400, help="tokens of the prompt")
    parser.add_argument("--rows", type=int, default=10, help="replies")
    parser.add_argument("--kv-heads", type=int, default=8, help="key/value heads, of 8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--cpu-time", action="store_true", help="count CPU time, with 1 thread: for a busy machine"
    )
    options = parser.parse_args()
    if options.cpu_time:
        global _clock
        _clock, options.threads = time.process_time, 1
    torch.set_num_threads(options.threads)

    model, tokenizer = build(options.kv_heads), build_tokenizer()
    decoder = Decoder.of(model, find_decoder_layers(model))
    generator = torch.Generator().manual_seed(1)
    prompt = torch.randint(2, VOCABULARY, (options.prompt,), generator=generator).tolist()
    vector = torch.randn(512, generator=generator)
    rows, new, repeats = options.rows, SAMPLING.max_new_tokens, 3 if options.quick else 5

    layouts: tuple[Layout, ...] = ("static", "split", "packed", "window")
    ways: dict[str, Callable[[], float]] = {
        "plain hook (not exact)": lambda: plain_hook(model, prompt, vector, rows)
    }
    for layout in layouts:
        ways[f"exact, {layout}"] = lambda layout=layout: ours(  # type: ignore[misc]
            layout, decoder, tokenizer, prompt, vector, rows
        )
    ways["no steering, static"] = lambda: ours("static", decoder, tokenizer, prompt, None, rows)
    ways["no steering, packed"] = lambda: ours("packed", decoder, tokenizer, prompt, None, rows)
    seconds = {name: fastest(repeats, way) for name, way in ways.items()}
    if options.quick:  # the middle token of each fifth stands for the five
        sample = range(2, new, 5)
        baseline = reference(model, prompt, vector, 1, sample) * 5 * rows
    else:
        baseline = reference(model, prompt, vector, rows, range(new))

    hook = seconds["plain hook (not exact)"]
    print(
        f"prompt {options.prompt}, {rows} replies of {new} tokens, {options.kv_heads} of 8 KV "
        f"heads, {options.threads} threads, torch {torch.__version__}"
        f"{', CPU time' if options.cpu_time else ''}"
    )
    print(f"{'way':26}{'seconds':>9}{'reference / this':>19}{'this / plain hook':>20}")
    print(f"{'reference':26}{baseline:9.2f}{1:19.1f}{baseline / hook:20.2f}")
    for name, time_taken in seconds.items():
        print(f"{name:26}{time_taken:9.2f}{baseline / time_taken:19.1f}{time_taken / hook:20.2f}")
    print()
    for layout in layouts:
        difference = largest_difference(layout, decoder, prompt, vector)
        print(f"largest |logit difference| to the reference, {layout}: {difference:.1e}")


if __name__ == "__main__":
    main()

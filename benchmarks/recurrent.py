"""Recurrent and hybrid LLMs, steered exactly: with what they keep, against re-reading everything.

Small random models of several families read a prompt and write replies, steered at a middle layer
in mode ``last-token``, on one thread of the CPU, in CPU time. The ways are layouts of
``engine.llm.decoding.layouts``: ``reread``, which was the only one that is right for these families
without ``twin``; ``twin`` with the decode loop's readings; and ``window`` un-steered, for
scale. Of re-reading, one token in ``--every`` is read, and stands for that many.

    python benchmarks/recurrent.py [--prompt 400] [--rows 10] [--tokens 50] [--every 10]

The last line is JSON: for each family the seconds, ``ratio`` (re-reading over twin) and the largest
difference of logits to re-reading.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from engine.llm.decoding.decoder import Decoder, Layout
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.probe import find_layouts
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers

VOCABULARY = 2048
_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.05,
}
_THREE_OF_FOUR = ["linear_attention", "linear_attention", "linear_attention", "full_attention"]
_EXPERTS = {"num_experts_per_tok": 2, "num_experts": 4, "num_local_experts": 4}
_DELTA = {
    "head_dim": 64,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 64,
    "linear_value_head_dim": 64,
    "layer_types": _THREE_OF_FOUR * 2,
}
_MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 32}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3_5_text": _DELTA,
    "qwen3_next": {
        **_DELTA,
        **_EXPERTS,
        "moe_intermediate_size": 128,
        "shared_expert_intermediate_size": 128,
    },
    "granitemoehybrid": {
        **_MAMBA,
        **_EXPERTS,
        "layer_types": _THREE_OF_FOUR * 2,
        "shared_intermediate_size": 256,
    },
    "jamba": {**_EXPERTS, "attn_layer_period": 4, "attn_layer_offset": 3, "mamba_d_state": 16},
    "mamba2": {"num_heads": 8, "head_dim": 64, "n_groups": 1, "state_size": 32},
    "falcon_h1": {**_MAMBA, "mamba_d_ssm": 512, "head_dim": 64},
}


def build(family: str) -> Decoder:
    """A random model of the family, in float32 on the CPU."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[family](**{**_SHAPE, **FAMILIES[family]})
    kind: Any = AutoModelForCausalLM
    model = kind.from_config(config).eval().requires_grad_(False)
    return Decoder.of(model, find_decoder_layers(model))


def read(
    layout: Layout,
    decoder: Decoder,
    prompt: list[int],
    tokens: Tensor,
    injection: Injection | None,
) -> tuple[float, Tensor]:
    """CPU seconds for the tokens (columns, rows), and the logits (rows, V) at the end."""
    start = time.process_time()
    reader = make_reader(layout, decoder, prompt, tokens.shape[1], len(tokens), injection)
    logits = reader.first()
    for column in tokens[:-1]:
        logits = reader.next(column)
    return time.process_time() - start, logits


def reread(
    decoder: Decoder, prompt: list[int], tokens: Tensor, injection: Injection, every: int
) -> tuple[float, Tensor]:
    """The same by re-reading: one reading of every so many, each of what stands there by then."""
    seconds = 0.0
    columns, rows = tokens.shape
    for column in range(every // 2, columns, every):
        ids = torch.cat([torch.tensor([prompt] * rows), tokens[:column].T], dim=1)
        start = time.process_time()
        with torch.inference_mode(), injection.in_whole(ids.shape[1], len(prompt)):
            decoder.logits(ids, 1)
        seconds += (time.process_time() - start) * every
    ids = torch.cat([torch.tensor([prompt] * rows), tokens[:-1].T], dim=1)
    with torch.inference_mode(), injection.in_whole(ids.shape[1], len(prompt)):
        logits = decoder.logits(ids, 1)[:, -1]
    return seconds, logits


def measure(family: str, options: argparse.Namespace) -> dict[str, Any]:
    """All ways of one family."""
    decoder = build(family)
    generator = torch.Generator().manual_seed(1)
    prompt = torch.randint(2, VOCABULARY, (options.prompt,), generator=generator).tolist()
    tokens = torch.randint(2, VOCABULARY, (options.tokens, options.rows), generator=generator)
    vector = torch.randn(_SHAPE["hidden_size"], generator=generator)
    injection = Injection(decoder.layers, {len(decoder.layers) // 2: vector})
    layouts = find_layouts(decoder)
    twin, logits = read("twin", decoder, prompt, tokens, injection)
    plain, _ = read(layouts.plain[0], decoder, prompt, tokens, None)
    slow, expected = reread(decoder, prompt, tokens, injection, options.every)
    return {
        "layouts": list(layouts.steered),
        "reread_seconds": round(slow, 2),
        "twin_seconds": round(twin, 2),
        "unsteered_seconds": round(plain, 2),
        "ratio": round(slow / twin, 1),
        "largest_difference": float((logits - expected).abs().max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--prompt", type=int, default=400, help="tokens of the prompt")
    parser.add_argument("--rows", type=int, default=10, help="replies")
    parser.add_argument("--tokens", type=int, default=50, help="tokens of a reply")
    parser.add_argument("--every", type=int, default=10, help="of re-reading, one token of so many")
    parser.add_argument("--family", action="append", choices=[*FAMILIES], help="only this one")
    options = parser.parse_args()
    torch.set_num_threads(1)

    print(
        f"prompt {options.prompt}, {options.rows} replies of {options.tokens} tokens, CPU seconds "
        f"on one thread, torch {torch.__version__}"
    )
    print(f"{'family':18}{'re-read':>9}{'twin':>8}{'un-steered':>12}{'ratio':>8}{'difference':>12}")
    results = {}
    for family in options.family or FAMILIES:
        result = results[family] = measure(family, options)
        print(
            f"{family:18}{result['reread_seconds']:9.1f}{result['twin_seconds']:8.2f}"
            f"{result['unsteered_seconds']:12.2f}{result['ratio']:8.1f}"
            f"{result['largest_difference']:12.1e}",
            flush=True,
        )
    print(json.dumps({"prompt": options.prompt, "results": results}))


if __name__ == "__main__":
    main()

"""Decoding on a GPU against the memory's limit, and a whole step: one command, one run, ratios.

    python benchmarks/gpu.py             # Llama-3-8B's shape with a GPU, a small one without
    python benchmarks/gpu.py --small     # the small shapes, wherever
    python benchmarks/gpu.py --shape 1b  # between the two

A Llama with random weights, made on the device in bfloat16 (float32 on a CPU), reads a prompt and
writes 10 replies of 50 tokens, steered at the layer at 17/32 of its depth. The ways:

- reference: as GLOV's code does it: no KV cache, one reply after another, all read again for every
  token, the offset on the last position. A sample of the tokens stands for all
- generate: transformers' own, un-steered, all replies in one batch, an ordinary cache
- hook: the same with a hook that adds the offset at the new positions. It is not exact
- ours, split / static / graphs: exact, by the decode loop of a run. Without a GPU the step of the
  graphs is run as it is, every row to the end

What a token costs is the middle of the times between two tokens, once graphs are recorded; the
limit is the time to read all weights but the embedding's once. The bandwidth is measured by a copy
on the device, and stands beside the maker's figure where that is known.

A step is 10 replies, and the 10 templates scored over 1,000 classes by ViT-B/32 (open_clip, random
weights, half precision on a GPU) with one image a class whose features are there already.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from benchmarks.gpu_ways import SHAPES, Bench
from engine.common.errors import ModelError
from engine.llm.decoding.decoder import Layout
from engine.models.device import find_device

PEAKS = {  # the first name that stands in the device's
    "B200": 8000,
    "H200": 4800,
    "H100 PCIe": 2000,
    "H100 NVL": 3900,
    "H100": 3350,
    "A100-SXM4-80GB": 2039,
    "A100 80GB": 1935,
    "A100": 1555,
    "L40S": 864,
    "L4": 300,
    "RTX 4090": 1008,
    "RTX 3090": 936,
    "A10": 600,
}
GOAL = 0.69
"""Share of the limit that gpt-fast reaches with one row (A100, Llama-3-8B)."""
STEP_GOAL = 1.0  # seconds
WORDS = ["blurry", "bright", "close", "clean", "small", "large", "good", "bad", "dark", "new"]
TEMPLATES = [f"a {word} photo of a <category>." for word in WORDS]


def bandwidth(device: torch.device, megabytes: int) -> float:
    """GB/s of a copy on the device: what is read and what is written."""
    source = torch.zeros(megabytes * 2**20 // 4, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(10):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * source.numel() * 4 / best / 1e9


def peak_of(name: str) -> int | None:
    """GB/s of a device, by the maker; None where it is not known. A GH200 is no H200."""
    return next((gb for part, gb in PEAKS.items() if re.search(rf"\b{part}\b", name)), None)


def peak_memory(device: torch.device) -> float:
    """GB at most so far: taken on the GPU, with what graphs keep, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def scorer(classes: int, device: torch.device) -> Callable[[], float]:
    """Scores the templates over so many classes with one image each; returns the seconds."""
    import open_clip  # not for --no-step

    from engine.vlm.dual_encoder.scoring import score_features
    from engine.vlm.dual_encoder.text_features import TextFeatures

    torch.manual_seed(0)
    precision = "fp16" if device.type == "cuda" else "fp32"
    model = open_clip.create_model("ViT-B-32", precision=precision, device=device).eval()
    texts = TextFeatures(model, open_clip.get_tokenizer("ViT-B-32"), device, batch=2048)
    names = list(open_clip.IMAGENET_CLASSNAMES)[:classes]
    images = torch.nn.functional.normalize(torch.randn(classes, 512, device=device), dim=-1)
    labels = torch.arange(classes, device=device)

    def score() -> float:
        start = time.perf_counter()
        for template in TEMPLATES:
            encoding = texts.encode(template, names)
            while True:
                try:
                    next(encoding)
                except StopIteration as end:
                    features = end.value
                    break
            score_features(images, labels, features.to(images), scale=100.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    return score


def row(name: str, seconds: float, reference: float, bench: Bench, token: float | None) -> str:
    """A line of the table; ``token``: seconds of one step of the batch."""
    whole = bench.shape.rows * bench.shape.tokens / seconds
    line = f"{name:24}{seconds:9.3f}{reference / seconds:10.1f}{whole:12.0f}"
    return line if token is None else f"{line}{1000 * token:11.2f}"


def shared(replies: list[list[str]], others: list[list[str]]) -> float:
    """Share of the tokens up to the first that differs; 1 where all replies are the same."""
    same = 0
    for ours, theirs in zip(replies, others, strict=True):
        pairs = zip(ours, theirs, strict=False)
        same += next((i for i, (a, b) in enumerate(pairs) if a != b), len(ours))
    return same / max(1, sum(map(len, replies)))


def measure(bench: Bench, repeats: int, found: dict[str, Any]) -> None:
    """All ways, side by side; fills ``found``."""
    ways: list[tuple[str, Layout | None]] = [("ours, split", "split"), ("ours, static", "static")]
    if bench.graphs.recorder is not None:
        ways.append(("ours, graphs", None))
    totals: dict[str, list[float]] = {"generate": [], "hook": []}
    tokens: dict[str, list[float]] = {}
    for turn in range(repeats + 1):  # the first warms up, and records
        totals["generate"].append(bench.generate())
        with bench.hooked(last_only=False):
            totals["hook"].append(bench.generate())
        for name, way in ways:
            if way is None and bench.graphs.refusal:
                continue
            seconds = bench.ours(way)
            totals.setdefault(name, []).append(sum(seconds))
            if turn:
                tokens.setdefault(name, []).extend(seconds[1:])
            elif way is None:
                found["first_run_with_recording_s"] = sum(seconds)
    if bench.graphs.refusal:
        print(f"decoded without graphs: {bench.graphs.refusal}")
        totals.pop("ours, graphs", None)
        tokens.pop("ours, graphs", None)
    found["same_tokens"] = {
        name: shared(bench.replies[way], bench.replies["split"])
        for name, way in ways
        if name in totals and way != "split"
    }
    reference = bench.reference()
    print(f"{'way':24}{'seconds':>9}{'ref./this':>10}{'tokens/s':>12}{'ms/token':>11}")
    print(row("reference (a sample)", reference, reference, bench, None))
    found["seconds"] = {"reference": reference}
    for name, values in totals.items():
        best = min(values[1:])
        found["seconds"][name] = best
        token = statistics.median(tokens[name]) if name in tokens else None
        print(row(name, best, reference, bench, token))
        if token is not None:
            found.setdefault("token_ms", {})[name] = 1000 * token
    for name, share in found["same_tokens"].items():
        print(f"{name}: {share:.1%} of the tokens until two replies part are those of split")


def shares(bench: Bench, found: dict[str, Any]) -> None:
    """Each way's share of the memory's limit; fills ``found``."""
    read = bench.bytes_per_token
    measured = bandwidth(bench.device, 1024 if bench.device.type == "cuda" else 64)
    name = torch.cuda.get_device_name(bench.device) if bench.device.type == "cuda" else ""
    known = peak_of(name)
    found |= {"bytes_per_token": read, "copy_gb_s": measured, "peak_gb_s": known}
    print(f"\nweights read per token {read / 1e9:.2f} GB; a copy moves {measured:.0f} GB/s", end="")
    print(f", the maker says {known} GB/s" if known else "")
    for way, milliseconds in found.get("token_ms", {}).items():
        rate = read / 1e9 / (milliseconds / 1000)
        of_copy, of_peak = rate / measured, rate / known if known else None
        found.setdefault("share_of_copy", {})[way] = of_copy
        found.setdefault("share_of_peak", {})[way] = of_peak
        said = f"  {way:22}{of_copy:6.1%} of the copy's"
        print(said + (f", {of_peak:6.1%} of the maker's (goal {GOAL:.0%})" if of_peak else ""))


def steps(bench: Bench, repeats: int, found: dict[str, Any]) -> None:
    """A whole step: proposing and scoring; fills ``found``."""
    score = scorer(bench.shape.classes, bench.device)
    fastest: Layout | None = "static"
    if bench.graphs.recorder is not None and not bench.graphs.refusal:
        fastest = None
    score()
    taken = []
    for turn in range(repeats):
        start = time.perf_counter()
        bench.ours(fastest, seed=100 * turn)
        proposed = time.perf_counter() - start
        taken.append((proposed + score(), proposed))
    whole, proposed = min(taken)
    found |= {"step_s": whole, "step_proposing_s": proposed}
    goal = f" (goal {STEP_GOAL:g} s)" if bench.device.type == "cuda" else ""
    print(f"\na step: {whole:.3f} s{goal}, of it {proposed:.3f} s proposing and the rest scoring "
          f"{len(TEMPLATES)} templates x {bench.shape.classes} classes")  # fmt: skip


def at_least_one(text: str) -> int:
    """For options that count."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 at least")
    return number


def device_of(name: str) -> torch.device:
    """A CPU or a GPU that is there."""
    try:
        device = find_device(name, "--device")
    except ModelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if device.type not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError("cpu or cuda")
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cuda = torch.cuda.is_available()
    parser.add_argument("--shape", choices=[*SHAPES], default="8b" if cuda else "small")
    parser.add_argument("--small", action="store_true", help="as --shape small")
    parser.add_argument("--device", type=device_of, default="cuda" if cuda else "cpu")
    parser.add_argument("--repeats", type=at_least_one, default=3)
    parser.add_argument("--threads", type=at_least_one, default=1, help="CPU threads of torch")
    parser.add_argument("--no-step", action="store_true", help="decoding only, no ViT-B/32")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    torch.set_num_threads(options.threads)
    device = options.device
    name = "small" if options.small else options.shape
    shape = SHAPES[name]
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    begun = time.perf_counter()
    bench = Bench(shape, device)
    print(
        f"{machine}, torch {torch.__version__}, shape {name} ({bench.model.dtype}), prompt "
        f"{shape.prompt}, {shape.rows} replies of {shape.tokens} tokens, layer {bench.layer}; "
        f"layouts {', '.join(bench.layouts.steered)}; made in {time.perf_counter() - begun:.1f} s"
    )
    found: dict[str, Any] = {
        "device": machine, "torch": torch.__version__, "shape": name,
        "dtype": str(bench.model.dtype), "prompt": shape.prompt, "rows": shape.rows,
        "tokens": shape.tokens, "layer": bench.layer,
    }  # fmt: skip
    measure(bench, options.repeats, found)
    shares(bench, found)
    if not options.no_step:
        steps(bench, options.repeats, found)
    found["peak_memory_gb"] = peak_memory(device)
    found["graphs"] = bench.graphs.recorder is not None and not bench.graphs.refusal
    found["graphs_refused"] = bench.graphs.refusal or None
    print(f"peak memory {found['peak_memory_gb']:.2f} GB")
    print(json.dumps(found))


if __name__ == "__main__":
    main()

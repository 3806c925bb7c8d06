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
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.config import SamplingConfig
from engine.llm.decoding.capture import as_it_is
from engine.llm.decoding.decoder import Decoder, Layout, Reader
from engine.llm.decoding.graphs import Graphs
from engine.llm.decoding.layouts import make_reader
from engine.llm.decoding.loop import decode
from engine.llm.decoding.probe import find_layouts
from engine.llm.decoding.sampling import draw, uniforms
from engine.steering.injection import Injection
from engine.steering.layers import find_decoder_layers
from engine.vlm.dual_encoder.scoring import score_features
from engine.vlm.dual_encoder.text_features import TextFeatures

PEAKS = {  # GB/s, by the maker; the first name that is in the device's
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


@dataclass(frozen=True)
class Shape:
    """Of the LLM, and of the work."""

    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    prompt: int
    rows: int
    tokens: int
    classes: int


SHAPES = {
    "8b": Shape(4096, 14336, 32, 32, 8, 128256, 600, 10, 50, 1000),
    "1b": Shape(2048, 8192, 16, 32, 8, 128256, 600, 10, 50, 1000),
    "small": Shape(256, 704, 4, 8, 2, 2048, 60, 10, 8, 20),
}


class Bench:
    """The model and the work, and the ways of doing it."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.shape, self.device = shape, device
        config = LlamaConfig(
            vocab_size=shape.vocabulary, hidden_size=shape.width, intermediate_size=shape.inner,
            num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads, max_position_embeddings=8192,
            eos_token_id=None, bos_token_id=0, pad_token_id=0,
        )  # fmt: skip
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
        torch.manual_seed(0)
        try:
            with torch.device(device):  # never in the host's memory
                self.model: Any = LlamaForCausalLM(config)
        finally:
            torch.set_default_dtype(before)
        self.model.requires_grad_(False).train(False)
        generator = torch.Generator().manual_seed(1)
        self.prompt: list[int] = torch.randint(
            2, shape.vocabulary, (shape.prompt,), generator=generator
        ).tolist()
        self.layer = shape.layers * 17 // 32
        self.vector = torch.randn(shape.width, generator=generator)
        self.sampling = SamplingConfig(max_new_tokens=shape.tokens)
        words = {f"w{index}": index for index in range(shape.vocabulary)}
        self.tokenizer: Any = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel(words, "w0"))
        )  # type: ignore[no-untyped-call]
        self.decoder = Decoder.of(self.model, find_decoder_layers(self.model))
        self.layouts = find_layouts(self.decoder)
        self.graphs = Graphs.of(self.decoder, "static" in self.layouts.steered)
        if device.type != "cuda":
            self.graphs = Graphs(self.decoder, as_it_is)
        self.replies: dict[Layout | None, list[list[str]]] = {}  # by way, each as its tokens

    @property
    def bytes_per_token(self) -> int:
        """Of the weights that are read for a token: all but the embedding's, which is looked up."""
        embedding = self.model.get_input_embeddings().weight
        read = {p.data_ptr(): p.numel() * p.element_size() for p in self.model.parameters()}
        if self.model.lm_head.weight.data_ptr() != embedding.data_ptr():
            del read[embedding.data_ptr()]
        return sum(read.values())

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @contextmanager
    def hooked(self, last_only: bool) -> Iterator[None]:
        """A hook as one would write it by hand."""
        vector = self.vector.to(device=self.device, dtype=self.model.dtype)

        def add(_module: Any, _args: Any, output: Tensor) -> Tensor:
            output = output.clone()
            if last_only:
                output[:, -1] += vector
            elif output.shape[1] == 1:
                output += vector
            return output

        handle = self.model.model.layers[self.layer].register_forward_hook(add)
        try:
            yield
        finally:
            handle.remove()

    @torch.inference_mode()
    def reference(self) -> float:
        """Seconds for all replies, from the middle token of each fifth of one of them."""
        shape = self.shape
        numbers = uniforms([0], shape.tokens).to(self.device)
        ids = torch.tensor([self.prompt], device=self.device)
        sample = range(2, shape.tokens, 5)
        with self.hooked(last_only=True):
            self.model(input_ids=ids, use_cache=False, logits_to_keep=1)
            self.wait()
            start = time.perf_counter()
            for index in sample:
                more = ids.new_ones(1, len(self.prompt) + index - ids.shape[1])
                ids = torch.cat([ids, more], dim=1)
                logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]
                draw(logits, self.sampling, numbers[:, index]).tolist()
            seconds = time.perf_counter() - start
        return seconds * shape.rows * shape.tokens / len(sample)

    @torch.inference_mode()
    def generate(self) -> float:
        """Seconds for all replies by transformers' own ``generate``."""
        ids = torch.tensor([self.prompt], device=self.device)
        self.wait()
        start = time.perf_counter()
        self.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True,
            num_return_sequences=self.shape.rows, max_new_tokens=self.shape.tokens,
            min_new_tokens=self.shape.tokens, temperature=self.sampling.temperature,
            top_k=self.sampling.top_k, top_p=self.sampling.top_p,
        ).tolist()  # fmt: skip
        return time.perf_counter() - start

    def ours(self, way: Layout | None, seed: int = 0) -> list[float]:
        """Seconds of each step, the first with the prompt. ``way`` None: with graphs."""
        shape = self.shape
        injection = Injection(self.decoder.layers, {self.layer: self.vector})
        reader: Reader | None
        if way is None:
            reader = self.graphs.reader(self.prompt, shape.rows, shape.tokens, injection)
            if reader is None:
                raise SystemExit(f"no graphs: {self.graphs.refusal}")
        else:
            reader = make_reader(
                way, self.decoder, self.prompt, shape.rows, shape.tokens, injection
            )
        seeds = range(seed, seed + shape.rows)
        seconds: list[float] = []
        columns = decode(reader, self.tokenizer, self.sampling, seeds, frozenset(), "")
        while True:
            start = time.perf_counter()
            try:
                next(columns)
            except StopIteration as end:
                self.replies[way] = [reply.text.split() for reply in end.value]
                return seconds[: shape.tokens]  # what comes after is the shift
            seconds.append(time.perf_counter() - start)


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


def peak_memory(device: torch.device) -> float:
    """GB at most so far: on the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def scorer(classes: int, device: torch.device) -> Callable[[], float]:
    """Scores the templates over so many classes with one image each; returns the seconds."""
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
    known = next((peak for part, peak in PEAKS.items() if part in name), None)
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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cuda = torch.cuda.is_available()
    parser.add_argument("--shape", choices=[*SHAPES], default="8b" if cuda else "small")
    parser.add_argument("--small", action="store_true", help="as --shape small")
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--no-step", action="store_true", help="decoding only, no ViT-B/32")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
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

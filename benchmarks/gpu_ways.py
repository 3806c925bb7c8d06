"""What ``benchmarks/gpu.py`` measures: a model with random weights, and the ways of decoding it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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

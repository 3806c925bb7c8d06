"""The decode loop: one prompt, many candidates, token by token, as a generator.

The prompt is read once for all candidates (``layouts``), every candidate draws from its own random
numbers (``sampling``), and each step yields the text that it added. Every yield
is a safe point: no hook is on the model and no torch mode is set while the caller runs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine.common.errors import ModelError, OutOfMemoryError
from engine.config import SamplingConfig
from engine.llm.chat import Prompt
from engine.llm.decoding.decoder import Reader
from engine.llm.decoding.drawing import Draws, ReaderDraws
from engine.llm.decoding.graphs import GraphReader
from engine.llm.decoding.reply_stream import ReplyStream, thought_tokens
from engine.llm.interface import Remark, Reply, SteeringShift, TokenColumn
from engine.models.memory import is_out_of_memory
from engine.steering.measures import TracedReply


def decode(
    reader: Reader,
    tokenizer: Any,
    sampling: SamplingConfig,
    seeds: Sequence[int],
    stop_tokens: frozenset[int],
    prompt_start: str,
    trace: bool = False,
    prompt: Prompt | None = None,
    max_thought: int = 0,
) -> Generator[TokenColumn | SteeringShift | Remark, None, list[Reply]]:
    """One reply per seed; yields a column of texts after each step of the batch.

    Where the reader has the un-steered logits as well, it yields the shift between the two at the
    end, and with ``trace`` the replies have it token by token.

    ``reader`` was made for ``len(seeds)`` rows of ``sampling.max_new_tokens`` and ``max_thought``
    tokens: those of a row's thoughts, which count in its reply where that is 0. A row ends at a
    token of ``stop_tokens``, which is no part of its text or its count; rows that have ended are
    read no further. ``prompt_start`` names the prompt in errors; ``prompt`` says how the reply was
    begun, and whether with a thought.

    Raises:
        ModelError: if the logits are not finite.
        OutOfMemoryError: if memory runs out; with fewer seeds it may not.
    """
    if not seeds:
        return []
    marks = thought_tokens(tokenizer)
    longest = sampling.max_new_tokens + max_thought
    streams = [
        ReplyStream(tokenizer, prompt or Prompt([]), marks, max_thought, sampling.max_new_tokens)
        for _ in seeds
    ]
    alive = list(range(len(seeds)))  # the candidates that are left, in the order of the draws
    with memory_explained(prompt_start):
        draws = start_draws(reader, sampling, seeds, longest)
    for _step in range(longest):
        with memory_explained(prompt_start):
            drawn = draws.next()
        draws.meter.note(alive, drawn)
        texts, thoughts = [""] * len(seeds), [""] * len(seeds)
        for candidate, token in zip(alive, drawn, strict=True):
            if token < 0:
                raise ModelError(
                    "the LLM gave NaN or infinite logits on the prompt that starts with "
                    f"{prompt_start!r}. Try llm.dtype = 'float32' or 'bfloat16', or a smaller "
                    "steering.alpha."
                )
            stream = streams[candidate]
            added = stream.stop() if token in stop_tokens else stream.push(token)
            thoughts[candidate], texts[candidate] = added
        yield TokenColumn(tuple(texts), tuple(thoughts) if any(thoughts) else ())
        going = [place for place, candidate in enumerate(alive) if not streams[candidate].finish]
        if not going:
            break
        if len(going) < len(alive):
            with memory_explained(prompt_start):
                draws.keep(going)
                alive = [alive[place] for place in going]
    draws.finish()
    remark = draws.remark()
    if remark:
        yield Remark(remark)
    meter = draws.meter
    shift = meter.shift(tokenizer)
    if shift is not None:
        yield shift
    traces: list[TracedReply | None] = [None] * len(seeds)
    if trace:
        traces = [*meter.traces(tokenizer, [stream.text for stream in streams])]
    return [
        Reply(
            text=stream.text,
            tokens=stream.tokens,
            finish=stream.finish or "length",
            trace=traced,
            thought=stream.thought,
            thought_tokens=stream.thought_tokens,
            begun=prompt.prefix if prompt else "",
        )
        for stream, traced in zip(streams, traces, strict=True)
    ]


@contextmanager
def memory_explained(prompt_start: str) -> Iterator[None]:
    """Turn running out of memory into an ``OutOfMemoryError`` that names the prompt."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"out of memory while the LLM read the prompt that starts with {prompt_start!r}. Lower "
            "proposal.candidates or proposal.examples, choose a smaller llm.model, or put the LLM "
            "and the VLM on different devices."
        ) from error


def start_draws(
    reader: Reader, sampling: SamplingConfig, seeds: Sequence[int], longest: int
) -> Draws:
    """The tokens of one candidate a seed, ``longest`` at most, drawn in the reader's own way."""
    if isinstance(reader, GraphReader):
        return reader.draws(sampling, seeds, longest)
    return ReaderDraws(reader, sampling, seeds, longest)

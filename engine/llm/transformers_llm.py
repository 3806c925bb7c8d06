"""``LocalLLM``: any decoder-only causal language model that transformers can load.

It ties together loading (``transformers_loading``), the chat format (``chat``), the decode loop
(``decoding``) over the layout that the model supports (``probe``), and steering
(``engine.steering``).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch

from engine.common.errors import ModelError
from engine.common.wording import counted
from engine.config import LLMConfig, Pooling, SamplingConfig, names_gguf
from engine.llm.chat import Prompt, compose_prompt, end_of_turn, stop_tokens, thinking
from engine.llm.decoding.decoder import Decoder, Layout, Reader
from engine.llm.decoding.graphs import GraphReader, Graphs
from engine.llm.decoding.layouts import PairedReader, make_reader
from engine.llm.decoding.loop import decode, memory_explained
from engine.llm.decoding.probe import Layouts, check_causal, find_layouts
from engine.llm.decoding.shift_meter import named_extremes
from engine.llm.interface import Remark, Reply, SteeringShift, TokenColumn
from engine.llm.loading import Progress
from engine.llm.refusals import not_steerable, prefix_refused, read_by_row, reread_every_token
from engine.llm.transformers_loading import load_model
from engine.models.identity import identify
from engine.models.positions import turning_point, turns_within
from engine.prompts.message import Message
from engine.steering.direction import Direction, Steering, compute_direction
from engine.steering.injection import Injection, make_injection
from engine.steering.layers import find_decoder_layers, hidden_state, text_config, with_hidden_state
from engine.steering.measures import LayerLens


class LocalLLM:
    """A ``LanguageModel`` that runs in this process, with its hidden states in reach."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, revision: str = "", graphs: bool = True
    ) -> None:
        """Take a loaded model and tokenizer, and find out how it can be decoded and steered.

        ``graphs``: on a GPU it is decoded with CUDA graphs, where that can be.

        Raises:
            ModelError: if it is not decoder-only.
        """
        self._name = name
        self._revision = revision
        self._model = model
        self._tokenizer = tokenizer
        try:
            layers = find_decoder_layers(model)
        except ModelError:  # it can be asked all the same; who steers it is refused
            layers = ()
        self._decoder = Decoder.of(model, layers)
        check_causal(self._decoder)
        self._layouts = find_layouts(self._decoder)
        static = "static" in self._layouts.plain
        self._graphs = Graphs.of(self._decoder, static) if graphs else Graphs.off(self._decoder)
        self._turn = turning_point(text_config(model))
        self._told_of_rereading = False
        self._stops = stop_tokens(model, tokenizer)
        self._thinking = thinking(tokenizer)

    @classmethod
    def load(cls, config: LLMConfig, progress: Progress | None = None) -> LocalLLM:
        """Load a model by hub name or folder; ``progress`` is told each stage in a few words.

        Raises:
            ModelError: if it can't be loaded or used; the text says what to do.
        """
        tell = progress or (lambda _stage: None)
        model, tokenizer = load_model(config, tell)
        tell(f"the decoder layers of {config.model}")
        return cls(config.model, model, tokenizer, _revision(config), config.cuda_graphs)

    @property
    def name(self) -> str:
        """As in ``llm.model``."""
        return self._name

    @property
    def revision(self) -> str:
        """Of the files that it was loaded from; see ``engine.models.identity``."""
        return self._revision

    @property
    def chats(self) -> bool:
        """Whether it has a chat template; else prompts are plain System/User/Assistant lines."""
        return bool(self._tokenizer.chat_template)

    @property
    def layers(self) -> int:
        """Number of decoder layers, 0 where they were not found; steering layers count from 0."""
        return len(self._decoder.layers)

    @property
    def thinks_first(self) -> bool:
        """Whether its replies begin with a thought, so that they can't be begun for it."""
        return self._thinking.first

    @property
    def spending(self) -> None:
        """Nothing is paid for."""
        return None

    def most_tokens(self, sampling: SamplingConfig) -> int:
        """How many tokens a reply may have: with a thought, where one is expected."""
        thought = sampling.thinking_tokens if self._thinking.expected else 0
        return sampling.max_new_tokens + thought

    @property
    def layouts(self) -> Layouts:
        """The decoding layouts that are right for this model, fastest first."""
        return self._layouts

    def propose(
        self,
        messages: Sequence[Message],
        sampling: SamplingConfig,
        seeds: Sequence[int],
        steering: Steering | None = None,
        trace: bool = False,
    ) -> Generator[TokenColumn | SteeringShift | Remark, None, list[Reply]]:
        """One reply per seed, decoded as one batch; yields after each token of the batch.

        The first time that everything is read anew for every token, a remark says so. At the end
        comes the shift that the steering made, where it costs nothing to know: in modes with an
        un-steered KV cache, in layouts that read both tokens of a step at once. With ``trace`` the
        prompt and every token are read un-steered as well, so that every mode has it, and the
        replies token by token.

        Raises (at the first ``next``, or later where decoding fails):
            ModelError: if the prompt and reply exceed the model's context, a steered layer does
                not exist, or the logits are not finite.
            OutOfMemoryError: if memory runs out; with fewer seeds it may not.
        """
        prompt = compose_prompt(self._tokenizer, messages)
        max_thought = self._room_for_thought(prompt, sampling)
        rows, expected = len(seeds), self.most_tokens(sampling)
        longest = sampling.max_new_tokens + max_thought

        turns = turns_within(self._turn, len(prompt.ids), longest)

        def layout(injection: Injection | None) -> Layout:
            if turns:  # no cache is right on both sides
                return "reread"
            clean = injection is not None and injection.clean_cache
            return self._layouts.choose(clean, len(prompt.ids), rows, expected)

        def read(injection: Injection | None) -> Reader:
            name = layout(injection)
            if name == "static" and not trace:
                reader = self._graphs.reader(prompt.ids, rows, longest, injection)
                if reader is not None:
                    return reader
            elif name not in ("static", "reread"):
                self._graphs.pass_over(read_by_row(rows))
            return make_reader(name, self._decoder, prompt.ids, rows, longest, injection)

        injection = None if steering is None else self._injection(steering)
        start = " ".join(message["content"] for message in messages)[:60]
        with memory_explained(start):
            reader = read(injection)
            if trace:
                reader = PairedReader(reader, read(None))
        news = "" if trace or isinstance(reader, GraphReader) else self._graphs.news()
        if news:
            yield Remark(news)
        columns = decode(
            reader,
            self._tokenizer,
            sampling,
            seeds,
            self._stops,
            start,
            trace,
            prompt,
            max_thought,
        )
        if seeds and layout(injection) == "reread" and not self._told_of_rereading:
            yield next(columns)  # first: there may be more to say of this LLM than that
            yield Remark(reread_every_token(self._name, self._turn if turns else None))
            self._told_of_rereading = True
        return (yield from columns)

    def direction(
        self, positive: str, negative: str, pool: Pooling, aligned: bool = False
    ) -> Direction:
        """Per-layer steering vectors from two bare template texts (docs/glov.md, 4).

        ``aligned``: the texts are padded to the same length, as mode ``actadd`` wants them.

        Raises:
            ModelError: if the decoder layers were not found; naming the text, if it has no token
                to take a hidden state of, or one that is not a number.
            OutOfMemoryError: if a text does not fit in memory.
        """
        self._check_steerable()
        padding = end_of_turn(self._tokenizer)
        if padding is None:
            padding = self._tokenizer.eos_token_id
        if padding is None and self._stops:
            padding = min(self._stops)
        try:
            with memory_explained(positive):
                found = compute_direction(
                    self._model,
                    self._tokenizer,
                    self._decoder.layers,
                    positive,
                    negative,
                    pool,
                    padding,
                    aligned,
                )
        except ValueError as error:
            raise ModelError(f"no steering direction from this LLM: {error}") from error
        for text, states in zip((positive, negative), found.states, strict=True):
            bad = (~torch.isfinite(states).all(dim=-1).all(dim=-1)).nonzero()
            if len(bad):
                raise ModelError(
                    f"the LLM's hidden states of the template {text!r} are NaN or infinite from "
                    f"layer {int(bad[0])} on. Try llm.dtype = 'float32' or 'bfloat16', or "
                    "steering.mode = 'off'."
                )
        return found

    def _injection(self, steering: Steering) -> Injection | None:
        """What to add; None where it comes to nothing."""
        self._check_steerable()
        wrong = [layer for layer in steering.layers if not 0 <= layer < self.layers]
        if wrong:
            raise ModelError(
                f"steering.layers has {wrong[0]}, but {self._name} has the decoder layers 0 to "
                f"{self.layers - 1}"
            )
        if steering.direction.layers != self.layers:
            raise ModelError(
                f"the steering direction has {counted(steering.direction.layers, 'layer')}, "
                f"but {self._name} has {self.layers}: it comes from another model"
            )
        return make_injection(self._decoder.layers, steering)

    def lens(self, direction: Direction) -> tuple[LayerLens, ...]:
        """The tokens that the direction raises and lowers most at each layer (logit lens).

        The vectors take the place of the last layer's output, so the model's own final norm and
        head read them, whatever their names; the logits of a zero vector are taken off.
        """
        self._check_steerable()
        offsets = direction.offsets
        rows = torch.cat([offsets, torch.zeros_like(offsets[:1])])[None]  # (1, L + 1, d)

        def replace(_module: Any, _args: Any, output: Any) -> Any:
            state = hidden_state(output)
            return with_hidden_state(output, rows.to(device=state.device, dtype=state.dtype))

        ids = torch.zeros(1, rows.shape[1], dtype=torch.long, device=self._decoder.device)
        handle = self._decoder.layers[-1].register_forward_hook(replace)
        try:
            with torch.inference_mode():
                logits = self._decoder.logits(ids, rows.shape[1])[0].float()
        finally:
            handle.remove()
        return tuple(
            LayerLens(layer=layer, **named_extremes(change, self._tokenizer))
            for layer, change in enumerate(logits[:-1] - logits[-1])
        )

    def _check_steerable(self) -> None:
        if not self.layers:
            raise ModelError(f"{not_steerable(self._name)}. Choose another llm.model")

    def _room_for_thought(self, prompt: Prompt, sampling: SamplingConfig) -> int:
        """The longest thought of a reply, in tokens.

        Raises:
            ModelError: if prompt, thought and reply exceed the model's context, or the reply is
                begun for a model that begins it with a thought.
        """
        if prompt.prefix and self.thinks_first:
            raise ModelError(prefix_refused(self._name))
        new, thought = sampling.max_new_tokens, sampling.thinking_tokens
        longest = getattr(text_config(self._model), "max_position_embeddings", None)
        left = thought if longest is None else longest - len(prompt.ids) - new
        needed = thought if self._thinking.expected else 0
        if left < needed or left < 0:
            room = f" and its thought {needed} more" if needed else ""
            lower = "sampling.thinking_tokens, " if needed else ""
            raise ModelError(
                f"the meta-prompt has {counted(len(prompt.ids), 'token')} and a reply may have "
                f"{new}{room}, but {self._name} reads {longest} at most. "
                f"Lower {lower}proposal.examples or sampling.max_new_tokens, shorten proposal.task "
                "or proposal.system_prompt, or choose an LLM with a longer context."
            )
        return min(thought, left) if self._thinking.possible else 0


def _revision(config: LLMConfig) -> str:
    if names_gguf(config.model) and not Path(config.model).expanduser().is_file():
        owner, name, file = config.model.split("/", 2)
        return identify(f"{owner}/{name}", config.revision, [file])
    return identify(config.model, config.revision, ["config.json"])

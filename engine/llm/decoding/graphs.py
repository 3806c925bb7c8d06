"""Decoding with CUDA graphs: a token of all candidates, drawn as well, is one thing to play.

The step of ``static_reader``, the offsets from a table (``engine.steering.table``), the sampler and
what the meter compares are recorded once for each number of slots that attention reads (length
buckets), and played for every token: the host does nothing but start it and read the tokens back,
the one wait in a step. Another prompt, vector, alpha or seed is other content of the same tensors.
So is another layer of the same band: lanes fork at the first layer of the lowest steered one's
band, so that what is computed follows from what is asked, never from what was recorded before.

Random numbers are drawn beforehand, on the CPU (``sampling.uniforms``), so no generator is part of
a graph, and replies are those of the eager way. Where recording fails, the same step is run without
a graph. A recording is played once beside the eager step, and thrown away if it gives another
result.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.config import SamplingConfig
from engine.llm.decoding.capture import CudaRecorder, Recorder, Step, graph_device
from engine.llm.decoding.decoder import Decoder
from engine.llm.decoding.graph_state import GraphState, Plan, Setting, plan_of
from engine.llm.decoding.sampling import draw, uniforms
from engine.llm.decoding.shift_meter import Compared, SteeringMeter, compare
from engine.llm.decoding.static_cache import most_slots
from engine.llm.decoding.static_reader import StaticReader
from engine.models.memory import free_memory, is_out_of_memory
from engine.steering.injection import Injection
from engine.steering.offsets import Offset
from engine.steering.table import TableInjection

_STEPS = 64
"""Room for tokens of a reply comes in multiples of this."""
_MOST_STATES = 2
"""Caches that are kept for the next prompt."""
_TOLERANCE = 0.02
"""How far the largest logit may be off in a recording, as a share: rounding to 16 bits."""


@dataclass
class Graphs:
    """The recorded steps of one model. ``recorder`` makes them; None: none can be made.

    ``refusal`` says why not, or why no more.
    """

    decoder: Decoder
    recorder: Recorder | None
    refusal: str = ""
    _states: list[GraphState] = field(default_factory=list)
    _aside: str = ""  # why what was asked for last is decoded without
    _told: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, decoder: Decoder, static: bool) -> Graphs:
        """For a model that is on its device; ``static``: layout ``static`` is right for it."""
        if decoder.device.type != "cuda":
            return cls.off(decoder)
        device = graph_device(decoder.model)
        if isinstance(device, str):
            return cls(decoder, None, device)
        if not static:
            return cls(decoder, None, "its layers or its cache are of another kind")
        return cls(decoder, CudaRecorder(device))

    @classmethod
    def off(cls, decoder: Decoder) -> Graphs:
        """None, and nothing is said of it: without a GPU, or as the user wants it."""
        return cls(decoder, None)

    def news(self) -> str:
        """What to tell the user of decoding without graphs; each reason once."""
        reason = self.refusal or (self._aside if self.recorder else "")
        if not reason or reason in self._told:
            return ""
        self._told.add(reason)
        return f"the LLM is decoded without CUDA graphs, which is slower: {reason}"

    def reader(
        self, prompt: list[int], rows: int, tokens: int, injection: Injection | None
    ) -> GraphReader | None:
        """A reader that plays graphs, or None where that can't be."""
        plan = plan_of(injection)
        dependent = "what this steering adds depends on more than the layer"
        self._aside = dependent if plan is None else ""
        if self.recorder is None or self.refusal or plan is None:
            return None
        with torch.inference_mode():
            state = self._state(most_slots(len(prompt), rows, rows, tokens + 1), rows, tokens)
        return GraphReader(self, state, prompt, tokens, injection, plan)

    def pass_over(self, reason: str) -> None:
        """What is asked for now is decoded in another way."""
        self._aside = reason

    def _state(self, capacity: int, rows: int, steps: int) -> GraphState:
        """One that is large enough and free; what is no longer of use is given back."""
        for state in self._states:
            slots = state.memory.slots.capacity
            if state.rows == rows and not state.busy and slots >= capacity and state.steps >= steps:
                self._states.remove(state)
                self._states.append(state)
                return state
        free = [state for state in self._states if not state.busy]
        for state in free[: max(0, len(self._states) + 1 - _MOST_STATES)]:
            self._states.remove(state)
        # A meta-prompt grows from step to step: room for half as much again.
        room = capacity + capacity // 2
        made = GraphState(self.decoder, room, rows, -(-steps // _STEPS) * _STEPS)
        self._states.append(made)
        return made

    def play(
        self, state: GraphState, setting: Setting, reach: int, make: Callable[[], Step]
    ) -> None:
        """Do one step: by its recording, which is made where there is none, or as it is."""
        if self.refusal or self.recorder is None:
            make()()
            return
        recordings = state.recordings(setting)
        known = recordings.get(reach)
        if known is None:
            step = make()
            known = self._record(state, step)
            if known is not step:
                recordings[reach] = known
        known()

    def forget(self, reader: GraphReader) -> None:
        """Memory has run out: give back all but what other readers use."""
        others = [state for state in self._states if state.busy and state.user() is not reader]
        self._states = others

    def _record(self, state: GraphState, step: Step) -> Step:
        """A recording of the step, or the step itself."""
        assert self.recorder is not None
        restore = state.saving()
        try:
            made = self.recorder(step, restore)
            if made is not step:
                self._compare(state, step, made, restore)
        except Exception as error:  # whatever it is, the step can be done without
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            self.refusal = f"recording failed ({reason})"
        if not self.refusal:
            return made
        for each in self._states:
            each.recorded.clear()
        made = step
        free_memory()  # not inside except: the error holds on to tensors
        return step

    def _compare(self, state: GraphState, step: Step, made: Step, restore: Step) -> None:
        """See that the recording does what the step does; waits for the device, once a recording.

        Raises:
            RuntimeError: if not.
        """
        seen = []
        for way in (step, made):
            way()
            seen.append((state.drawn.clone(), state.peak.clone()))
            restore()
        (drawn, peak), (again, other) = seen
        close = torch.isclose(peak, other, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        if not bool(close.all()) or not bool((drawn == again).any()):
            raise RuntimeError("a recorded step gave other logits than the step itself")


class GraphReader(StaticReader):
    """Layout ``static`` in memory that stays, whose tokens are drawn by graphs (``draws``)."""

    def __init__(
        self,
        graphs: Graphs,
        state: GraphState,
        prompt: list[int],
        tokens: int,
        injection: Injection | None,
        plan: Plan,
    ) -> None:
        ids = torch.tensor([prompt], device=graphs.decoder.device)
        super().__init__(graphs.decoder, ids, state.rows, tokens, injection, state.memory)
        self.graphs = graphs
        self._state = state
        self._plan = plan
        self._offsets: Mapping[int, Offset] = {}
        if injection is not None and plan.kind != "plain":
            self._offsets = injection.offsets
        state.user = weakref.ref(self)

    def draws(self, sampling: SamplingConfig, seeds: Sequence[int], longest: int) -> GraphDraws:
        """All candidates' tokens, ``longest`` at most of each."""
        return GraphDraws(self, sampling, seeds, longest)

    @torch.inference_mode()
    def begin(self, numbers: Tensor) -> None:
        """Read the prompt; ``numbers`` (rows, longest) are the random numbers of the draws."""
        state = self._state
        self.read_prompt()
        # The prompt's last token is read as each candidate's own first one: one kind of step.
        state.lanes.tokens.copy_(self._prompt[0, -1].expand(state.rows))
        state.numbers[:, : numbers.shape[1]].copy_(numbers)
        state.step.zero_()
        state.shift.zero_()
        state.alive.fill_(True)
        rows = state.rows
        steered = range(rows, 2 * rows) if self._plan.kind == "fork" else range(rows)
        state.table.fill(self._offsets, steered)

    @torch.inference_mode()
    def play(self, sampling: SamplingConfig) -> list[int]:
        """One more token of every candidate; this is where the host waits for the device."""
        state, slots = self._state, self._slots
        reach = slots.ahead(state.rows)
        setting = Setting(self._plan, sampling.temperature, sampling.top_k, sampling.top_p)
        self.graphs.play(state, setting, reach, lambda: self._step_of(reach, sampling))
        slots.advance(state.rows)
        drawn: list[int] = state.drawn.tolist()
        return drawn

    def _step_of(self, reach: int, sampling: SamplingConfig) -> Step:
        """The work that is recorded: reading, drawing, comparing."""
        plan = self._plan
        state, rows = self._state, self._state.rows
        injection: TableInjection | None = None
        if plan.kind != "plain":
            injection = TableInjection(
                self._decoder.layers,
                state.table,
                plan.lowest,
                plan.relative,
                "last" if plan.kind == "fork" else "new",
            )

        @torch.inference_mode()
        def step() -> None:
            logits = self.step(state.lanes, reach, injection)
            uniform = state.numbers.index_select(1, state.step).squeeze(1)
            if plan.kind == "fork":
                drawn, compared = compare(
                    logits[rows:], logits[:rows], sampling, uniform, state.alive
                )
                state.changed.index_copy_(0, state.step, compared.changed[None])
                state.kl.index_copy_(0, state.step, compared.kl[None])
                state.likelihood.index_copy_(0, state.step, compared.likelihood[None])
                state.shift += compared.shift
            else:
                drawn = draw(logits, sampling, uniform)
            state.drawn.copy_(drawn)
            state.peak.copy_(logits[-rows:].amax(-1))
            state.lanes.tokens.copy_(drawn.clamp_min(0))  # a row that has ended may draw anything
            state.step += 1

        return step

    @torch.inference_mode()
    def go_on(self, alive: Sequence[int]) -> None:
        """Only these rows still count."""
        mask = torch.zeros(self._state.rows, dtype=torch.bool)
        mask[list(alive)] = True
        self._state.alive.copy_(mask)

    def compared(self, alive: Sequence[Sequence[int]]) -> Compared | None:
        """What was compared of the rows that each step still had; None without clean lanes."""
        state = self._state
        if self._plan.kind != "fork" or not alive:
            return None
        places = [step * state.rows + row for step, rows in enumerate(alive) for row in rows]
        index = torch.tensor(places, device=state.kl.device)
        changed, kl, likelihood = (
            values.flatten()[index] for values in (state.changed, state.kl, state.likelihood)
        )
        return Compared(changed, kl, likelihood, state.shift.clone())


class GraphDraws:
    """``Draws`` that play a graph for each step. Rows that have ended are read on, unheeded."""

    def __init__(
        self, reader: GraphReader, sampling: SamplingConfig, seeds: Sequence[int], longest: int
    ) -> None:
        self.meter = SteeringMeter()
        self._reader = reader
        self._sampling = sampling
        self._alive = list(range(len(seeds)))
        self._history: list[list[int]] = []
        self._numbers: Tensor | None = uniforms(seeds, longest)

    def remark(self) -> str:
        """Of a recording that failed."""
        return self._reader.graphs.news()

    def next(self) -> list[int]:
        try:
            if self._numbers is not None:
                self._reader.begin(self._numbers)
                self._numbers = None
            drawn = self._reader.play(self._sampling)
        except Exception as error:
            if is_out_of_memory(error):  # who asks again asks for less
                self._reader.graphs.forget(self._reader)
            raise
        self._history.append(list(self._alive))
        return [drawn[row] for row in self._alive]

    def keep(self, places: Sequence[int]) -> None:
        self._alive = [self._alive[place] for place in places]
        self._reader.go_on(self._alive)

    @torch.inference_mode()
    def finish(self) -> None:
        compared = self._reader.compared(self._history)
        if compared is not None:
            self.meter.add(compared)

"""Decoding by recorded steps, on the CPU: a recording is the step of the first prompt that made it.

So what is played for a later prompt, vector, alpha or layer reads the addresses of the first one,
as a CUDA graph does. The graphs themselves need a GPU: ``benchmarks/gpu.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.config import AlphaUnit, SamplingConfig, SteeringMode
from engine.llm.decoding.capture import Step, as_it_is, graph_device
from engine.llm.decoding.graphs import Graphs
from engine.llm.decoding.layouts import make_reader
from engine.llm.interface import Remark, Reply, SteeringShift
from engine.llm.transformers_llm import LocalLLM
from engine.prompts.message import Message
from engine.steering.direction import Steering
from engine.steering.injection import make_injection
from tests.support.generators import run_through
from tests.support.tiny_llm import VOCABULARY, tiny_model, tiny_tokenizer

SAMPLED = SamplingConfig(max_new_tokens=12, top_k=40, top_p=0.95, temperature=1.3)
GREEDY = SamplingConfig(max_new_tokens=5, temperature=0.0)
SEEDS = (3, 4, 5)
SHORT: list[Message] = [{"role": "user", "content": "Write a template."}]
LONG: list[Message] = [{"role": "user", "content": "Write a template, please, for many photos."}]


class Recording:
    """Keeps the step that it is given, as a graph keeps the work; counts."""

    def __init__(self) -> None:
        self.made = 0
        self.played = 0

    def __call__(self, step: Step, restore: Step) -> Step:
        step()
        restore()
        self.made += 1

        def play() -> None:
            self.played += 1
            step()

        return play


def language_model(family: str, recorder: Callable[..., Step] | None) -> LocalLLM:
    llm = LocalLLM(family, tiny_model(family), tiny_tokenizer())
    if recorder is not None:
        llm._graphs = Graphs(llm._decoder, recorder)
    return llm


def replies(
    llm: LocalLLM, messages: list[Message], sampling: SamplingConfig, steering: Steering | None
) -> tuple[list[Reply], list[Any]]:
    said, made = run_through(llm.propose(messages, sampling, SEEDS, steering))
    for state in llm._graphs._states:
        state.user = lambda: None  # the recording keeps the reader, as no graph does
    return made, [news for news in said if isinstance(news, SteeringShift | Remark)]


def steered(
    llm: LocalLLM,
    mode: SteeringMode,
    layers: tuple[int, ...] = (2,),
    alpha: float = 1.0,
    unit: AlphaUnit = "absolute",
) -> Steering:
    pair = ("a photo of a <category>.", "<category>?")
    direction = llm.direction(*pair, "no-bos", mode == "actadd")
    return Steering(direction, layers, alpha, mode, unit)


def same(ours: tuple[list[Reply], list[Any]], expected: tuple[list[Reply], list[Any]]) -> None:
    assert ours[0] == expected[0]
    assert len(ours[1]) == len(expected[1])
    for shift, other in zip(ours[1], expected[1], strict=True):
        assert shift.tokens == other.tokens and shift.changed == other.changed
        assert shift.kl == pytest.approx(other.kl, rel=1e-3)
        assert dict(shift.raised) == pytest.approx(dict(other.raised), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    "family", ["llama", "llama-gqa-tied", "qwen3", "mistral-sliding", "gemma2-sliding", "phi"]
)
def test_what_is_recorded_once_serves_other_prompts_vectors_alphas_and_layers(family):
    eager, recorder = language_model(family, None), Recording()
    recorded = language_model(family, recorder)
    made = []
    for messages, layers, alpha, mode in [
        (SHORT, (2,), 1.0, "last-token"),
        (LONG, (2,), -0.5, "last-token"),
        (SHORT, (1, 3), 0.7, "last-token"),
        (LONG, (1,), 1.0, "generated-tokens"),
        (SHORT, (1,), 0.5, "all-tokens"),
    ]:
        steering = steered(eager, mode, layers, alpha)
        expected = replies(eager, messages, SAMPLED, steering)
        assert any(reply.tokens > 1 for reply in expected[0])
        same(replies(recorded, messages, SAMPLED, steering), expected)
        made.append(recorder.made)
    assert made == [1, 1, 1, 2, 2]  # one length bucket; a fork and none are two recordings
    assert recorder.played > 12


@pytest.mark.parametrize(("mode", "unit"), [("last-token", "relative"), ("actadd", "absolute")])
def test_a_relative_alpha_and_a_steered_prompt(mode, unit):
    eager, recorder = language_model("llama", None), Recording()
    recorded = language_model("llama", recorder)
    for messages, alpha in ((SHORT, 0.3), (LONG, 0.1)):
        steering = steered(eager, mode, (1, 2), alpha, unit)
        same(
            replies(recorded, messages, SAMPLED, steering),
            replies(eager, messages, SAMPLED, steering),
        )
    assert recorder.made == 1


def test_unsteered_and_greedy():
    eager, recorder = language_model("qwen3", None), Recording()
    recorded = language_model("qwen3", recorder)
    for sampling in (SAMPLED, GREEDY, SAMPLED):
        same(replies(recorded, LONG, sampling, None), replies(eager, LONG, sampling, None))
    assert recorder.made == 2  # temperature 0 is another step


def test_more_slots_are_another_recording(monkeypatch):
    monkeypatch.setattr("engine.llm.decoding.graph_state.BUCKET", 16)
    eager, recorder = language_model("llama", None), Recording()
    recorded = language_model("llama", recorder)
    steering = steered(eager, "last-token")
    same(replies(recorded, LONG, SAMPLED, steering), replies(eager, LONG, SAMPLED, steering))
    assert 1 < recorder.made < 6


def test_what_can_not_be_recorded_is_decoded_all_the_same_and_said():
    eager, recorder = language_model("llama", None), Recording()
    recorded = language_model("llama", recorder)
    steering = steered(eager, "cross-attention")
    made, news = replies(recorded, SHORT, SAMPLED, steering)
    assert made == replies(eager, SHORT, SAMPLED, steering)[0]
    (remark,) = [each for each in news if isinstance(each, Remark)]
    assert "without CUDA graphs" in remark.text and "steering" in remark.text
    again = replies(recorded, SHORT, SAMPLED, steering)[1]
    assert not [each for each in again if isinstance(each, Remark)]  # once is enough
    assert recorder.made == 0


def _fails(step: Step, restore: Step) -> Step:
    step()
    restore()
    raise RuntimeError("operation not permitted when stream is capturing")


def _wrong(step: Step, restore: Step) -> Step:
    return lambda: None


@pytest.mark.parametrize(
    ("recorder", "reason"), [(_fails, "not permitted"), (_wrong, "other logits")]
)
def test_where_recording_fails_the_step_is_done_without_and_it_is_said(recorder, reason):
    eager, recorded = language_model("llama", None), language_model("llama", recorder)
    steering = steered(eager, "last-token")
    made, news = replies(recorded, SHORT, SAMPLED, steering)
    expected, shifts = replies(eager, SHORT, SAMPLED, steering)
    assert made == expected
    (remark,) = [each for each in news if isinstance(each, Remark)]
    assert reason in remark.text
    same((made, [each for each in news if each is not remark]), (expected, shifts))
    assert (
        replies(recorded, LONG, SAMPLED, steering)[0]
        == (replies(eager, LONG, SAMPLED, steering)[0])
    )


def test_each_reason_is_told_once(monkeypatch):
    llm = language_model("llama", Recording())
    many = SamplingConfig(max_new_tokens=12, thinking_tokens=0)

    def told(steering, seeds):
        news, _ = run_through(llm.propose(SHORT, many, seeds, steering))
        for state in llm._graphs._states:
            state.user = lambda: None
        return [each.text for each in news if isinstance(each, Remark)]

    crossed = steered(llm, "cross-attention")
    for _ in range(2):
        texts = [*told(crossed, SEEDS), *told(None, range(300)), *told(None, SEEDS)]
        if _ == 0:
            depends, by_row = texts
            assert "depends on more than the layer" in depends and "300 replies" in by_row
        else:
            assert not texts
    llm._graphs.recorder = _fails
    llm._graphs._states.clear()
    (failed,) = told(None, SEEDS)
    assert "not permitted" in failed and not told(crossed, SEEDS)
    assert not [*language_model("llama", None)._graphs.news()]  # no GPU: nothing to tell


def test_recordings_of_settings_long_gone_are_forgotten():
    recorder = Recording()
    llm = language_model("llama", recorder)
    warmer = [SAMPLED.model_copy(update={"temperature": 1 + i / 10}) for i in range(9)]
    for sampling in [*warmer, warmer[-1], warmer[4]]:
        replies(llm, SHORT, sampling, None)
    (state,) = llm._graphs._states
    assert recorder.made == 9 and len(state.recorded) == 6
    assert [*state.recorded][-1].temperature == warmer[4].temperature
    replies(llm, SHORT, warmer[0], None)
    assert recorder.made == 10


def test_after_a_failure_no_recording_is_kept_of_any_batch_size():
    llm = language_model("llama", Recording())
    for seeds in (SEEDS, SEEDS[:2]):
        run_through(llm.propose(SHORT, SAMPLED, seeds))
        for state in llm._graphs._states:
            state.user = lambda: None
    assert [len(state.recorded) for state in llm._graphs._states] == [1, 1]
    llm._graphs.recorder = _fails
    replies(llm, SHORT, GREEDY, None)
    assert "not permitted" in llm._graphs.refusal
    assert not any(state.recorded for state in llm._graphs._states)


def test_a_model_may_have_fewer_logits_than_tokens():
    narrow = []
    for recorder in (None, as_it_is):
        model = tiny_model("llama")
        model.lm_head = torch.nn.Linear(32, VOCABULARY - 40, bias=False)
        torch.nn.init.normal_(model.lm_head.weight, generator=torch.Generator().manual_seed(0))
        llm = LocalLLM("narrow", model, tiny_tokenizer())
        if recorder is not None:
            llm._graphs = Graphs(llm._decoder, recorder)
        narrow.append(replies(llm, SHORT, SAMPLED, steered(llm, "last-token")))
    same(*narrow)


def test_two_readers_at_once_have_memory_of_their_own():
    llm = language_model("llama", as_it_is)
    expected = [replies(llm, messages, SAMPLED, None)[0] for messages in (SHORT, LONG)]
    first = llm.propose(SHORT, SAMPLED, SEEDS)
    next(first)
    second = llm.propose(LONG, SAMPLED, SEEDS)
    next(second)
    assert run_through(first)[1] == expected[0]
    assert run_through(second)[1] == expected[1]


def test_when_memory_runs_out_nothing_is_kept(monkeypatch):
    llm = language_model("llama", as_it_is)
    replies(llm, SHORT, SAMPLED, None)
    assert len(llm._graphs._states) == 1

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("engine.llm.decoding.graphs.draw", full)
    with pytest.raises(Exception, match="out of memory"):
        replies(llm, SHORT, SAMPLED, None)
    assert not llm._graphs._states


def test_no_graph_without_a_gpu():
    llm = language_model("llama", None)
    assert llm._graphs.recorder is None and not llm._graphs.news()
    assert "GPU" in str(graph_device(llm._model))


def test_in_bfloat16_logits_differ_by_rounding_only():
    llm = LocalLLM("tiny", tiny_model("llama-gqa-tied").bfloat16(), tiny_tokenizer())
    llm._graphs = Graphs(llm._decoder, as_it_is)
    steering = make_injection(llm._decoder.layers, steered(llm, "last-token"))
    prompt = [0, *range(20, 60)]
    reader = llm._graphs.reader(prompt, 3, 4, steering)
    assert reader is not None
    expected = make_reader("reread", llm._decoder, prompt, 3, 4, steering)
    draws = reader.draws(GREEDY, SEEDS, 4)
    tokens = None
    for _ in range(4):
        logits = expected.first() if tokens is None else expected.next(tokens)
        drawn = draws.next()
        peak = logits.float().amax(-1).expand(3)
        torch.testing.assert_close(llm._graphs._states[0].peak, peak, rtol=0.05, atol=0.05)
        tokens = torch.tensor(drawn)

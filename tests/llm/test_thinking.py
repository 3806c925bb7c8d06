"""Thoughts while decoding: never in the reply, with a budget of their own, in every layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.common.errors import ModelError
from engine.config import SamplingConfig
from engine.llm.decoding.decoder import Layout
from engine.llm.decoding.sampling import uniforms
from engine.llm.halving import HalvingLLM
from engine.llm.interface import Reply, TokenColumn
from engine.llm.transformers_llm import LocalLLM
from engine.steering.direction import Steering
from tests.support.scripted_llm import END, TEMPLATE, scripted

ASK = [{"role": "user", "content": "one"}]
LAYOUTS: tuple[Layout, ...] = ("static", "split", "packed", "window", "reread")
OPENED = TEMPLATE + "{% if add_generation_prompt %}<think>{% endif %}"
# Thinks for one word or more, as the dice fall, and replies in four.
MUSING = {
    "<think>": ["hm"],
    "hm": ["hm", "hm", "hm", "</think>"],
    "</think>": ["a"],
    "a": ["dim"],
    "dim": ["<category>"],
    "<category>": [END],
    "one": ["one"],
}
HARMONY = {
    "<|start|>": ["assistant"],
    "assistant": ["<|channel|>"],
    "<|channel|>": ["analysis"],
    "analysis": ["<|message|>"],
    "<|message|>": ["hm"],
    "hm": ["<|end|>"],
    "<|end|>": ["<|start2|>"],
    "<|start2|>": ["<|channel2|>"],
    "<|channel2|>": ["final"],
    "final": ["<|message2|>"],
    "<|message2|>": ["dim"],
    "dim": ["<category>"],
    "<category>": [END],
    "one": ["one"],
}


def run(llm: Any, sampling: SamplingConfig, seeds: Any, *args: Any) -> tuple[list, list[Reply]]:
    columns = []
    work = llm.propose(ASK, sampling, seeds, *args)
    while True:
        try:
            news = next(work)
            if isinstance(news, TokenColumn):
                columns.append(news)
        except StopIteration as end:
            return columns, end.value


def musing(layout: Layout | None = None, **options: Any) -> LocalLLM:
    return scripted(MUSING, OPENED, layout=layout, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_thoughts_are_no_part_of_replies_and_of_their_budget(layout: Layout) -> None:
    sampling = SamplingConfig(max_new_tokens=3, thinking_tokens=40)
    columns, replies = run(musing(layout), sampling, range(8))
    assert {reply.text.strip() for reply in replies} == {"a dim<category>"}
    assert {(reply.tokens, reply.finish) for reply in replies} == {(3, "length")}
    lengths = [reply.thought_tokens for reply in replies]
    assert len(set(lengths)) > 2  # the rows think for different times
    for row, reply in enumerate(replies):
        assert reply.thought.split() == ["hm"] * (reply.thought_tokens - 1)  # and </think>
        assert "".join(column.texts[row] for column in columns) == reply.text
        thought = "".join(column.thoughts[row] for column in columns if column.thoughts)
        assert thought == reply.thought


def test_a_reply_is_the_same_in_every_layout_and_beside_any_others() -> None:
    sampling = SamplingConfig(max_new_tokens=9, thinking_tokens=40)
    expected = run(musing("reread"), sampling, range(6))[1]
    assert all(reply.finish == "stop" for reply in expected)
    for layout in LAYOUTS:
        llm = musing(layout)
        assert run(llm, sampling, range(6))[1] == expected
        assert run(llm, sampling, [4, 2])[1] == [expected[4], expected[2]]
        steering = Steering(llm.direction("a dim", "a hm", "no-bos"), (0,), 1e-3, "last-token")
        assert run(llm, sampling, range(6), steering)[1] == expected


def test_a_thought_that_does_not_end_ends_the_reply() -> None:
    _, replies = run(musing(), SamplingConfig(max_new_tokens=5, thinking_tokens=2), range(8))
    spent = [reply for reply in replies if reply.finish == "thinking"]
    assert 0 < len(spent) < 8
    for reply in spent:
        assert (reply.text, reply.tokens, reply.thought_tokens) == ("", 0, 2)
    assert {r.text.strip() for r in replies if r not in spent} == {"a dim<category>"}


def test_without_a_budget_of_its_own_a_thought_counts_in_the_reply() -> None:
    _, replies = run(musing(), SamplingConfig(max_new_tokens=4, thinking_tokens=0), range(8))
    for reply in replies:
        assert reply.thought_tokens == 0 and reply.tokens <= 4
        assert reply.finish == "length" or not reply.text
    assert {reply.finish for reply in replies} == {"length", "thinking"}


def test_the_budget_of_thoughts_changes_no_token() -> None:
    long, short = (SamplingConfig(max_new_tokens=9, thinking_tokens=n) for n in (900, 60))
    assert run(musing(), long, range(4))[1] == run(musing(), short, range(4))[1]
    assert torch.equal(uniforms([1, 2], 1074)[:, :50], uniforms([1, 2], 50))


def test_of_harmony_the_final_channel_is_the_reply() -> None:
    special = [word for word in HARMONY if word.startswith("<|")]
    template = TEMPLATE + "{% if add_generation_prompt %}<|start|> assistant{% endif %}"
    llm = scripted({**HARMONY, "assistant": ["<|channel|>"]}, template, special)
    assert llm.thinks_first
    _, (reply,) = run(llm, SamplingConfig(max_new_tokens=5), [0])
    assert (reply.thought.strip(), reply.text.strip()) == ("hm", "dim<category>")
    assert (reply.tokens, reply.finish) == (2, "stop")


def test_an_llm_that_can_think_but_is_told_not_to_needs_no_room_for_it() -> None:
    template = TEMPLATE + "{% if enable_thinking is false %}<think></think>{% endif %}"
    llm = scripted(MUSING, template, context=40)
    sampling = SamplingConfig(max_new_tokens=4)
    assert not llm.thinks_first and llm.most_tokens(sampling) == 4
    _, (reply,) = run(llm, sampling, [0])
    assert reply.text.strip() == "a dim<category>" and not reply.thought


def test_a_context_that_is_too_short_for_thought_and_reply_is_an_error() -> None:
    llm = musing(context=1000)
    assert llm.most_tokens(SamplingConfig()) == 1074
    with pytest.raises(ModelError, match=r"its thought 1024 more, .* Lower sampling.thinking_tok"):
        run(llm, SamplingConfig(), [0])
    assert run(llm, SamplingConfig(thinking_tokens=500), [0])[1][0].text


def test_fewer_at_once_where_memory_is_short_is_the_same() -> None:
    sampling = SamplingConfig(max_new_tokens=9, thinking_tokens=40)
    columns, replies = run(musing(), sampling, range(4))
    halving = HalvingLLM(musing(), pytest.fail)
    halving._most = 1
    parts, again = run(halving, sampling, range(4))
    assert again == replies and halving.thinks_first and halving.most_tokens(sampling) == 49

    def thoughts(shown: list[TokenColumn], row: int) -> str:
        return "".join(column.thoughts[row] for column in shown if column.thoughts)

    assert [thoughts(parts, row) for row in range(4)] == [
        thoughts(columns, row) for row in range(4)
    ]


# -- replies that are begun ------------------------------------------------------------------

PLAIN = {"one": ["a"], "a": ["dim"], "dim": ["<category>"], "<category>": ["at"], "at": ["dusk"],
         "dusk": [END]}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("prefix", ["a dim", "a dim "])
def test_a_reply_goes_on_from_its_beginning(prefix: str, layout: Layout) -> None:
    llm = scripted(PLAIN, TEMPLATE, layout=layout)
    messages = [*ASK, {"role": "assistant", "content": prefix}]
    work = llm.propose(messages, SamplingConfig(max_new_tokens=9), [0, 1])
    columns = []
    try:
        while True:
            columns.append(next(work))
    except StopIteration as end:
        replies = end.value
    columns = [news for news in columns if isinstance(news, TokenColumn)]  # re-reading is told
    for row, reply in enumerate(replies):
        assert reply.text == "a dim<category> at dusk"
        assert reply.tokens == 3  # what was given is not counted
        assert "".join(column.texts[row] for column in columns) == reply.text


def test_the_space_before_the_first_word_that_is_added_is_kept() -> None:
    llm = scripted(PLAIN, TEMPLATE)
    messages = [*ASK, {"role": "assistant", "content": "a dim<category> at"}]
    work = llm.propose(messages, SamplingConfig(max_new_tokens=9), [0])
    assert next(work).texts == ("a dim<category> at dusk",)


def test_an_llm_that_thinks_first_has_its_reply_not_begun_for_it() -> None:
    messages = [*ASK, {"role": "assistant", "content": "a dim"}]
    with pytest.raises(ModelError, match="proposal.reply_prefix can't be used with scripted"):
        next(musing().propose(messages, SamplingConfig(), [0]))

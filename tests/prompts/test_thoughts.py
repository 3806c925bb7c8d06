"""Thoughts as reasoning models mark them, whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.thoughts import Parted, ThoughtStream, is_marker_part, part

HARMONY = (
    "<|channel|>analysis<|message|>They want <category>.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>A dim <category>."
)
# (text, thought, reply, whether it ends within a thought)
TEXTS = [
    ("A dim <category>.", "", "A dim <category>.", False),
    ("<think>hm <category></think>A dim <category>.", "hm <category>", "A dim <category>.", False),
    ("<THINK>hm</THINK>\nyes", "hm", "\nyes", False),
    ("<thinking>hm</thinking>yes", "hm", "yes", False),
    ("<thought>hm</thought>yes", "hm", "yes", False),
    ("<seed:think>hm</seed:think>yes", "hm", "yes", False),
    ("[THINK]hm[/THINK]yes", "hm", "yes", False),
    ("◁think▷hm◁/think▷yes", "hm", "yes", False),
    ("<|START_THINKING|>hm<|END_THINKING|>yes", "hm", "yes", False),
    ("<|inner_prefix|>hm<|inner_suffix|>yes", "hm", "yes", False),
    ("<|begin_of_thought|>hm<|end_of_thought|>yes", "hm", "yes", False),
    ("<|channel>thought\nhm<channel|>yes", "thought\nhm", "yes", False),
    (
        "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>yes<|close|>response<|sep|>",
        "hm",
        "yes",
        False,
    ),
    ("Here is my thought process:hm Here is my response:yes", "hm ", "yes", False),
    ("hm\n[BEGIN FINAL RESPONSE]\nyes\n[END FINAL RESPONSE]", "hm\n", "\nyes\n", False),
    # opened in the prompt, not closed, twice, one within another, closed by another kind
    ("hm</think>yes", "hm", "yes", False),
    ("<think>hm", "hm", "", True),
    ("<think>a</think>yes<think>b", "ab", "yes", True),
    ("yes<think>b</think>no", "b", "yes\nno", False),
    # what follows the last of several thoughts is the reply, if anything does
    ("<think>a</think>yes<think>b</think>no", "abyes", "\nno", False),
    ("<think>a</think>1<think>b</think>2<think>c</think>\n3", "ab1c\n2", "\n\n3", False),
    ("<think>a</think>yes<think>b</think>", "ab", "yes", False),
    ("<think>a</think>yes<think>b</think>\n", "ab", "yes\n\n", False),
    ("<think>a</think>\n<think>b</think>no", "ab", "\n\nno", False),
    # a marker in the middle of a sentence is a word, unless it is closed
    ("a <thought> bubble", "", "a <thought> bubble", False),
    ("makes you <think>.", "", "makes you <think>.", False),
    ("makes you [think] hard", "", "makes you [think] hard", False),
    ("a photo <think>", "", "a photo ", True),
    ("a photo <think>Hm", "Hm", "a photo ", True),
    ("a photo <think>\nhm", "\nhm", "a photo ", True),
    ("a photo <think> hm.</think>yes", "<think> hm.", "a photo yes", False),
    ("yes.\n<think> hm", " hm", "yes.\n", True),
    ("<analysis>hm</analysis>yes", "hm", "yes", False),
    ("<reflection>hm</reflection>yes", "hm", "yes", False),
    ("<scratchpad>hm</scratchpad>yes", "hm", "yes", False),
    ("<thinking>a<reflection>b</reflection>c</thinking>yes", "a<reflection>bc", "yes", False),
    ("yes<think>a</think></think>no", "ayes", "no", False),
    ("<think>a<think>b</think>yes", "a<think>b", "yes", False),
    ("<think>a[/THINK]b</think>yes", "a[/THINK]b", "yes", False),
    # harmony
    (HARMONY, "They want <category>.", "A dim <category>.", False),
    (HARMONY + "<|return|>user", "They want <category>.", "A dim <category>.", False),
    (HARMONY + "<|end|><|start|>user", "They want <category>.", "A dim <category>.", False),
    (HARMONY[:39], "They want", "", True),
    ("<|channel|>final<|message|>yes", "", "yes", False),
    ("<|channel|>commentary to=functions.f<|message|>{}<|call|>", "{}", "", False),
    ("analysisThey ask.assistantfinalyes", "They ask.", "yes", False),
    ("analysis\nthey ask.\nassistantfinal\nyes", "\nthey ask.\n", "\nyes", False),
    ("analysis they ask.assistantfinal yes", " they ask.", " yes", False),
    ("an analysis, assistantfinal", "", "an analysis, assistantfinal", False),
    ("analysisThey ask for <category>.", "They ask for <category>.", "", True),
    ("analysis of a <category>", "", "analysis of a <category>", False),
    # no markers
    ("a <|end|> b", "", "a <|end|> b", False),
    ("a < b [THIN <thin", "", "a < b [THIN <thin", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "thought", "reply", "inside"), TEXTS)
def test_a_text_is_parted_at_its_markers(text, thought, reply, inside) -> None:
    assert part(text) == Parted(thought, reply, inside)


PIECES = (
    "<think>", "</think>", "<category>", "<", "a ", "[THINK]", "<|channel|>", "final", "\n",
    " b", ".", "<reflection>", "</analysis>",
    "<|message|>", "<|end|>", "<|start|>", "assistant", "[/THINK]", "think>",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.data())
def test_pieces_give_what_the_whole_gives(text: str, data: st.DataObject) -> None:
    whole = ThoughtStream()
    whole.push(text)
    whole.flush()
    stream = ThoughtStream()
    shown = ""
    at = 0
    while at < len(text):
        end = at + data.draw(st.integers(1, 5))
        shown += stream.push(text[at:end])[1]
        at = end
    shown += stream.flush()[1]
    assert (stream.thought, stream.reply, stream.inside) == (
        whole.thought,
        whole.reply,
        whole.inside,
    )
    if not stream.turned:
        assert shown == stream.reply


def test_nothing_is_held_back_for_long() -> None:
    stream = ThoughtStream()
    assert stream.push("a photo <")[1] == "a photo "
    assert stream.push("category> of")[1] == "<category> of"


def test_special_tokens_of_markers_are_known() -> None:
    for token in ("<think>", "[/THINK]", "<|channel|>", "<|message|>", "<|sep|>", "<channel|>"):
        assert is_marker_part(token)
    for token in ("<|eot_id|>", "<s>", "</s>", "<|im_end|>", "[INST]"):
        assert not is_marker_part(token)

"""What counts as a template, by ``proposal.accept``; and replies that today's LLMs give."""

from __future__ import annotations

import unicodedata
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.toml_file import load_config
from engine.llm.interface import Reply
from engine.prompts.message import Accept
from engine.prompts.reply import MAX_VERBATIM, Parsed, parse_reply
from engine.prompts.template import PLACEHOLDER, RejectReason, normalise
from engine.search.reading import read_reply
from engine.vlm.dual_encoder.task import TASK
from tests.support.replies import ANY_TEXT, FINISH, VALID

ACCEPTS = get_args(Accept)
GREY = "A grey photo of a <category>."

# Forms in which LLMs leave blanks, or run out of tokens: (reply, finish, usable, verbatim)
SCORABLE = [
    ("A <size> <category> on a [kind of] road.", "stop", None, None),
    ("A <category> in {place}, seen at ____.", "stop", None, None),
    (
        '"A <category> with its [main trait], such as [a part, e.g. a handle]."',
        "stop",
        "A <category> with its [main trait], such as [a part, e.g. a handle].",
        "A <category> with its [main trait], such as [a part, e.g. a handle].",
    ),
    # an end within a clause, after one, within a blank, before one
    ("A <category> by a lake, its fur wet and shin", "length",
     "A <category> by a lake, its fur wet", None),
    ("A <category> in the rain, with drops on its", "stop", "A <category> in the rain, with drops",
     None),
    ("A <category> that stands in a quiet str", "length", "A <category> that stands", None),
    ("A <category> standing happ", "length", "A <category> standing", None),
    ("A <category> on a <ground> and a <", "length", "A <category> on a <ground>", None),
    ("A <category> on a hill, its [colour, e.g. red, or", "stop", "A <category> on a hill", None),
    ("A <category> (seen from", "length", "A <category>", None),
    ("A <category>, a", "length", "A <category>", None),
    ("A <category>. It is small. It has a ta", "length", "A <category>. It is small.", None),
    ('"A <category> in thick fog, its outline', "length", "A <category> in thick fog",
     "A <category> in thick fog, its outline"),
    ("一张<category>的照片，背景是", "length", "一张<category>的照片", None),
    ("A <category> by a wall. This template keeps what", "length", "A <category> by a wall.", None),
    # quotes end a template, what the LLM says of it does not
    (
        '"A <category> in a bowl."Please replace <category> with the name of a dish.',
        "stop",
        "A <category> in a bowl.",
        "A <category> in a bowl. Please replace <category> with the name of a dish.",
    ),
    ("A <category> with a class name below it.", "stop", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "finish", "usable", "verbatim"), SCORABLE)
def test_what_can_be_scored_is_a_candidate(reply, finish, usable, verbatim) -> None:
    assert parse_reply(reply, finish=finish, accept="usable").template == (usable or reply)
    assert parse_reply(reply, finish=finish, accept="verbatim").template == (verbatim or reply)


def test_the_note_says_that_an_end_was_cut_off() -> None:
    parsed = parse_reply("A <category> by a lake, its fur", finish="length", accept="usable")
    assert parsed.note == "removed a cut-off end"


def test_what_is_too_long_goes_back_to_a_clause_as_well() -> None:
    reply = "A <category>" + ", and so on" * 30 + "."
    assert parse_reply(reply).reason is RejectReason.TOO_LONG
    usable = parse_reply(reply, accept="usable")
    assert usable.template is not None and 280 < len(usable.template) <= 300
    assert parse_reply(reply, accept="verbatim").template == reply
    longer = parse_reply(reply * 4, accept="verbatim")
    assert longer.reason is RejectReason.TOO_LONG and str(MAX_VERBATIM) in str(longer.note)


@pytest.mark.parametrize(
    ("reply", "finish", "reason"),
    [
        ("", "stop", "empty"),
        ("A photo of a dog.", "stop", "no-placeholder"),
        ("A photo of a <categ", "length", "unfinished"),
        ("I cannot write a template with <category>.", "stop", "question-or-refusal"),
        ("Please replace <category> with the name of the class.", "stop", "not-a-template"),
        ("Here is a new template with the placeholder <category>:", "stop", "not-a-template"),
        ("We need one sentence with <category>, I think.", "length", "not-a-template"),
        ("The user wants a text about a <category>.", "stop", "not-a-template"),
        ("<think>A <category> at dusk.", "length", "unfinished"),
        ("<think>A <category> at dusk.</think>", "stop", "only-thought"),
        ("anything with <category>", "thinking", "thought-too-long"),
    ],
)
def test_talk_and_thoughts_can_not_be_scored(reply, finish, reason) -> None:
    parsed = parse_reply(reply, finish=finish, accept="usable")
    assert (parsed.template, parsed.reason) == (None, reason)


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(
    ("reply", "finish", "template"),
    [
        # thoughts in each of the ways that tokens without their special ones are seen
        ("analysisA sentence with <category> is asked.assistantfinalA grey photo of a <category>.",
         "stop", GREY),
        ("<|channel|>analysis<|message|>They want <category>.<|end|><|start|>assistant<|channel|>"
         "final<|message|>A grey photo of a <category>.<|return|>", "stop", GREY),
        ("analysis\nwe need a <category>.\nassistantfinal\nA grey photo of a <category>.",
         "stop", GREY),
        ("[THINK]About a <category>.[/THINK]A grey photo of a <category>.", "stop", GREY),
        ("<seed:think>About a <category>.</seed:think>A grey photo of a <category>.", "stop", GREY),
        ("◁think▷About a <category>.◁/think▷A grey photo of a <category>.", "stop", GREY),
        # placeholders
        ("A grey photo of a <category/>.", "stop", GREY),
        ("A grey photo of a <category />.", "stop", GREY),
        ("A grey photo of a <category></category>.", "stop", GREY),
        ("A grey photo of a <category>name</category>.", "stop", GREY),
        ("A grey photo of a ${category}.", "stop", GREY),
        ("A grey photo of a ${class_name}.", "stop", GREY),
        # lines
        ("A grey photo of\na <category>.", "stop", GREY),
        ("A grey\nphoto of a\n<category>.", "stop", GREY),
        ("A grey photo of a <category>\nin the rain.", "stop",
         "A grey photo of a <category> in the rain."),
        ("“A grey photo of a\n<category>.”", "stop", GREY),
    ],
)  # fmt: skip
def test_replies_of_today_are_read(reply, finish, template, accept) -> None:
    assert parse_reply(reply, finish=finish, accept=accept).template == template


@pytest.mark.parametrize("accept", ["usable", "clean"])
@pytest.mark.parametrize(
    ("reply", "template"),
    [
        # an accuracy is no part of a template
        ("A grey photo of a <category>; accuracy 80%", "A grey photo of a <category>"),
        ("A grey photo of a <category>, accuracy: 80", "A grey photo of a <category>"),
        ("A grey photo of a <category> with an accuracy of 80.5 %", "A grey photo of a <category>"),
        ("A grey photo of a <category> - 80% accuracy", "A grey photo of a <category>"),
        ("A grey photo of a <category> - 80%", "A grey photo of a <category>"),
        ("A grey photo of a <category> 80.0", "A grey photo of a <category>"),
        # one template a line, or a list that begins with its second
        ("A grey photo of a <category>. 2. A photo of a cup. 3. A photo of a <category>.", GREY),
        ("a photo of a <category>\nan image of a <category>", "a photo of a <category>"),
        ("Sure here it is\na photo of a <category>", "a photo of a <category>"),
        ("a photo of a <category>\nthis keeps it short", "a photo of a <category>"),
        ("a photo of a <category>\n\nwith love", "a photo of a <category>"),
    ],
)
def test_what_is_no_part_of_the_template_is_left_out(reply, template, accept) -> None:
    assert parse_reply(reply, accept=accept).template == template


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(
    ("reply", "finish"),
    [
        ("analysisWe need a <category> in it.", "length"),
        ("<|channel|>analysis<|message|>We need a <category>.<|end|>", "stop"),
        ("◁think▷A <category> at dusk.", "length"),
    ],
)
def test_a_thought_alone_is_no_template(reply, finish, accept) -> None:
    assert parse_reply(reply, finish=finish, accept=accept).template is None


@pytest.mark.parametrize("accept", ["usable", "clean"])
def test_thinking_aloud_is_no_template(accept) -> None:
    aloud = "Okay, they want a text in which <category> is swapped. I could speak of fog."
    assert parse_reply(aloud, finish="length", accept=accept).template is None


def test_verbatim_takes_a_preface_off_but_no_explanation() -> None:
    reply = 'Here is a new one:\n\n"A <category> at dusk."\nIt is short.'
    parsed = parse_reply(reply, accept="verbatim")
    assert parsed.template == "A <category> at dusk. It is short."


@pytest.mark.parametrize(
    ("reply", "template"),
    [
        ('"A grey photo of a <category>".', GREY),
        ('"A grey photo of a <category>."', GREY),
        ('"A grey photo of a <category>.".', GREY),
        ("«A <category> en gris».", "A <category> en gris."),
        ('{"template": "A grey photo of a <category>."}', GREY),
        ('"A <category>", seen at dusk.', "A <category>, seen at dusk."),
        ("「<category>の写真」という形です。", "<category>の写真という形です。"),
    ],
)
def test_quotes_that_come_off_leave_nothing_behind(reply, template) -> None:
    assert parse_reply(reply, accept="verbatim").template == template


@pytest.mark.parametrize(("reply", "template"), VALID)
def test_usable_reads_what_clean_reads(reply, template) -> None:
    assert parse_reply(reply, accept="usable").template == (template or reply)


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT, FINISH, st.sampled_from(ACCEPTS))
def test_any_text_gives_a_clean_stable_template_or_a_reason(text, finish, accept) -> None:
    parsed = parse_reply(text, finish=finish, accept=accept)
    if parsed.template is None:
        assert parsed.reason is not None
        return
    assert PLACEHOLDER in parsed.template and PLACEHOLDER in normalise(parsed.template)
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in parsed.template)
    assert parse_reply(parsed.template, accept=accept).template == parsed.template


def test_an_llm_that_thought_and_said_nothing_is_told_from_one_that_said_nothing() -> None:
    silent = Reply("", 0, "stop")
    assert read_reply(silent, "usable", TASK).reason is RejectReason.EMPTY
    thought = Reply("\n", 1, "stop", thought="A <category>?", thought_tokens=3)
    assert read_reply(thought, "usable", TASK).reason is RejectReason.ONLY_THOUGHT
    endless = Reply("", 0, "thinking", thought="A <category>?", thought_tokens=3)
    assert read_reply(endless, "usable", TASK).reason is RejectReason.THOUGHT_TOO_LONG


def test_the_papers_presets_take_replies_as_they_come() -> None:
    assert load_config("demo").proposal.accept == "usable"
    paper = load_config("clip-paper", ["data.path=/images"])
    assert paper.proposal.accept == "verbatim" and paper.proposal.reply_prefix is None


def test_of_several_templates_the_one_that_was_begun_is_meant() -> None:
    reply = "a <category> in the rain.\nMy new template: a <category> at dusk."
    assert parse_reply(reply).template == "a <category> at dusk."
    assert parse_reply(reply, begun="a <category> in").template == "a <category> in the rain."
    assert parse_reply(reply, begun="elsewhere").template == "a <category> at dusk."


DRAFTS = "<think>a</think>A blue <category>.<think>b</think>A red <category>."


@pytest.mark.parametrize("accept", ["usable", "verbatim", "clean"])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<analysis>A <category>?</analysis>\nA red <category>.", "A red <category>."),
        ("A red <category>. <scratchpad>Is it <category>?</scratchpad>", "A red <category>."),
        ("A <category> that makes you think.", "A <category> that makes you think."),
        (DRAFTS, "A red <category>."),
        ("<think>a</think>A red <category>.<think>b</think>", "A red <category>."),
        ("Template: a <category> in snow. Template: b <category>.", "a <category> in snow."),
        ("Template 1: a <category> in snow. Template 2: b <category>.", "a <category> in snow."),
        ("Template: a <category>.\nTemplate: b <category>.", "a <category>."),
        *(
            (f"{label}: a photo of a <category>.", "a photo of a <category>.")
            for label in (
                "Final",
                "Final template",
                "Final answer",
                "Output",
                "**Final**",
                "Revised",
            )
        ),
    ],
)
def test_labels_and_thoughts_come_off_whatever_is_accepted(reply, expected, accept) -> None:
    assert parse_reply(reply, accept=accept).template == expected


@pytest.mark.parametrize("accept", ["usable", "verbatim"])
@pytest.mark.parametrize(
    "reply", ["A <category> with a <thought> bubble.", "A <category> to <think> about."]
)
def test_a_marker_that_is_a_word_ends_no_reply(reply, accept) -> None:
    assert parse_reply(reply, accept=accept).template == reply


@pytest.mark.parametrize("accept", ["usable", "verbatim", "clean"])
def test_what_follows_the_beginning_of_a_reply_must_have_words(accept) -> None:
    begun = "a photo of a <category>"

    def read(more: str) -> Parsed:
        return parse_reply(begun + more, accept=accept, begun=begun)

    assert read(" in snow.") == Parsed(template="a photo of a <category> in snow.")
    for more in ("", ".", '."'):
        found = read(more)
        assert found.template is not None and found.template.rstrip(".") == begun
        assert str(found.note).endswith("no words follow proposal.reply_prefix")
    for noise in (" 7 7 7", " $#%^ & 0", " = = ~ 3"):
        assert read(noise).reason in (RejectReason.EMPTY, None)
        assert read(noise).template in (None, begun)
    found = read(" 7 7 7")
    assert (
        found.reason is RejectReason.EMPTY
        and found.note == "behind proposal.reply_prefix only 7 7 7"
    )
    plain = parse_reply(f"{begun} 7 7 7", accept=accept)
    assert plain.template is not None  # nothing is asked where nothing was begun


@pytest.mark.parametrize("behind", [" -> ", " -> 50", " -> 43.8\n2. a pho", " (accuracy: 4"])
@pytest.mark.parametrize("accept", ["usable", "clean"])
def test_what_something_else_follows_was_not_cut_off(behind, accept) -> None:
    """As a real LLM wrote it that ran out of tokens in the accuracy it imitated."""
    whole = "a photo of a <category> with a glass reflecting in a glass behind its glass"
    parsed = parse_reply(whole + behind, finish="length", accept=accept)
    assert parsed.template == whole, parsed
    assert "cut-off" not in (parsed.note or "")

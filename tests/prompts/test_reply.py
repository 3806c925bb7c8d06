"""Replies as LLMs really give them, and what engine.prompts.reply makes of them."""

from __future__ import annotations

import time
import unicodedata
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prompts.message import Accept
from engine.prompts.reply import Parsed, parse_reply
from engine.prompts.template import PLACEHOLDER, RejectReason, normalise

PHOTO = "A photo of a <category>."
BIRD = "A photo of a <category>: a type of bird."

# (reply, template), None for the reply itself
VALID = [
    # plain
    (PHOTO, PHOTO),
    ("  A photo of a <category>.\n", PHOTO),
    ("a photo of a <category>", "a photo of a <category>"),
    ("<category>", "<category>"),
    ("<category>.", "<category>."),
    ("A photo of a <category>, or of two <category>s.", None),
    ("What kind of <category> is shown here?", None),
    ("This is a photo of a <category>.", None),
    ("Here is a photo of a <category>.", None),
    ("I see a <category> in the picture.", None),
    ("The <category> is the main subject of this image.", None),
    ("3D render of a <category>.", None),
    ("A 35-mm photo of a <category>.", None),
    ("Classify the image as a <category>.", None),
    # placeholders
    ("A photo of a {}.", PHOTO),
    ("A photo of a { }.", PHOTO),
    ("A photo of a {{category}}.", PHOTO),
    ("A photo of a {category}.", PHOTO),
    ("A photo of a {c}.", PHOTO),
    ("A photo of a {0}.", PHOTO),
    ("A photo of a [category].", PHOTO),
    ("A photo of a [CLASS].", PHOTO),
    ("A photo of a [class name].", PHOTO),
    ("A photo of a < category >.", PHOTO),
    ("A photo of a <CATEGORY>.", PHOTO),
    ("A photo of a <category name>.", PHOTO),
    ("A photo of a <category_name>.", PHOTO),
    ("A photo of a <classname>.", PHOTO),
    ("A photo of a <class>.", PHOTO),
    ("A photo of a <label>.", PHOTO),
    ("A photo of a <<category>>.", PHOTO),
    ("A photo of a <|category|>.", PHOTO),
    ("A photo of a &lt;category&gt;.", PHOTO),
    ("A photo of a &amp;lt;category&amp;gt;.", PHOTO),
    (r"A photo of a \<category\>.", PHOTO),
    (r"A photo of a \[category\].", PHOTO),
    (r"A photo of a \{\}.", PHOTO),
    (r"A photo of a \u003ccategory\u003e.", PHOTO),
    ("A photo of a `<category>`.", PHOTO),
    ("A photo of a **<category>**.", PHOTO),
    ("A photo of a ＜category＞.", PHOTO),
    ("Ein Foto von <Kategorie>.", "Ein Foto von <category>."),
    ("一张<类别>的照片。", "一张<category>的照片。"),
    ('A photo of a "<category>".', None),
    ('"<category>" on a sign.', None),
    # quotes
    ('"A photo of a <category>."', PHOTO),
    ("'A photo of a <category>.'", PHOTO),
    ("“A photo of a <category>.”", PHOTO),
    ("‘A photo of a <category>.’", PHOTO),
    ("„Ein Foto von einem <category>.“", "Ein Foto von einem <category>."),
    ("« Une photo d'un <category>. »", "Une photo d'un <category>."),
    ("»Ein Foto von einem <category>.«", "Ein Foto von einem <category>."),
    ("「<category>の写真。」", "<category>の写真。"),
    ("『<category>の写真』", "<category>の写真"),
    ('""A photo of a <category>.""', PHOTO),
    ('"A photo of a <category>.', PHOTO),
    ('A photo of a <category>."', PHOTO),
    ('"A photo of a "<category>" at night."', 'A photo of a "<category>" at night.'),
    ('A sign that says "stop" near a <category>.', None),
    ('"Golden hour" photo of a "<category>".', None),
    ("a bird's-eye view of a <category>.", None),
    ("'a bird's-eye view of a <category>.'", "a bird's-eye view of a <category>."),
    ("'the birds' nest of a <category>.'", "the birds' nest of a <category>."),
    ("'90s photo of a <category>.", None),
    ("the dogs' owner with a <category>.", None),
    ('"A photo of a <category>." -> 54.4', PHOTO),
    # markdown
    ("**A photo of a <category>.**", PHOTO),
    ("*A photo of a <category>.*", PHOTO),
    ("_A photo of a <category>._", PHOTO),
    ("`A photo of a <category>.`", PHOTO),
    ("```\nA photo of a <category>.\n```", PHOTO),
    ("```text\nA photo of a <category>.\n```\n\nThis works well.", PHOTO),
    ("> A photo of a <category>.", PHOTO),
    ("# A photo of a <category>.", PHOTO),
    ("- A photo of a <category>.", PHOTO),
    ("* A photo of a <category>.", PHOTO),
    ("1. A photo of a <category>.", PHOTO),
    ("11. A photo of a <category>.", PHOTO),
    ("1) A photo of a <category>.", PHOTO),
    ("(a) A photo of a <category>.", PHOTO),
    ("① 一张<category>的照片。", "一张<category>的照片。"),
    ("- **Template 1:** A photo of a <category>.", PHOTO),
    ("Template 1: A photo of a <category>.", PHOTO),
    ("Template 1 - A photo of a <category>.", PHOTO),
    ("**New template**\n\nA photo of a <category>.", PHOTO),
    ("### New template:\n`A photo of a <category>.`", PHOTO),
    ("<b>A photo of a <category>.</b>", PHOTO),
    ("<template>A photo of a <category>.</template>", PHOTO),
    ('{"template": "A photo of a <category>."}', PHOTO),
    ('```json\n{\n  "template": "A photo of a <category>."\n}\n```', PHOTO),
    ('["A photo of a <category>.", "An image of a <category>."]', PHOTO),
    ("| 1 | A photo of a <category>. | 54.4 |", PHOTO),
    # prefaces
    ("Here is a new template: A photo of a <category>.", PHOTO),
    ('Here is a new template:\n\n"A photo of a <category>."', PHOTO),
    ("Here's a new template that could score higher:\n\nA photo of a <category>.", PHOTO),
    (
        'Here is one new template with the placeholder <category>:\n"A photo of a <category>."',
        PHOTO,
    ),
    ("Here is a template with <category>: A photo of a <category>.", PHOTO),
    ("Sure! A photo of a <category>.", PHOTO),
    ("Sure! Here is a new template: A photo of a <category>: a type of bird.", BIRD),
    ("Sure, here's my suggestion: “A photo of a <category>.”", PHOTO),
    ("Certainly!\n\nA photo of a <category>.", PHOTO),
    ("Based on the patterns above, I propose:\n\nA photo of a <category>.", PHOTO),
    ("Based on the best templates, I suggest: A photo of a <category>.", PHOTO),
    ("I would suggest the following template: A photo of a <category>.", PHOTO),
    ("New template: A photo of a <category>.", PHOTO),
    ("**New Template:** A photo of a <category>.", PHOTO),
    ("Template: A photo of a <category>.", PHOTO),
    ("Final answer: A photo of a <category>.", PHOTO),
    ("Output: A photo of a <category>.", PHOTO),
    ('My new template is "A photo of a <category>."', PHOTO),
    ('I suggest "A photo of a <category>."', PHOTO),
    ("Voici un nouveau modèle : Une photo d'un <category>.", "Une photo d'un <category>."),
    ("Voici : « Une photo d'un <category>. »", "Une photo d'un <category>."),
    ("Hier ist eine neue Vorlage:\n„Ein Foto von <category>.“", "Ein Foto von <category>."),
    ("Hier ist mein Vorschlag: Ein Foto von <category>.", "Ein Foto von <category>."),
    ("Aquí está: Una foto de un <category>.", "Una foto de un <category>."),
    ("Ecco: Una foto di un <category>.", "Una foto di un <category>."),
    ("Вот новый шаблон: Фотография <category>.", "Фотография <category>."),
    ("以下是新的模板：“一张<category>的照片。”", "一张<category>的照片。"),
    ("当然可以！以下是一个新模板：\n一张<category>的照片。", "一张<category>的照片。"),
    ("新しいテンプレート：「<category>の写真。」", "<category>の写真。"),
    ("새 템플릿: <category>의 사진.", "<category>의 사진."),
    ("إليك القالب: صورة <category>.", "صورة <category>."),
    # colons, clock times and numbers of the template itself
    (BIRD, BIRD),
    (f'Here is a new template:\n"{BIRD}"', BIRD),
    ("A photo taken at 10:30 of a <category>.", None),
    (
        "Template: A photo taken at 10:30 of a <category>.",
        "A photo taken at 10:30 of a <category>.",
    ),
    ("Birds: a photo of a <category>, a wild animal.", None),
    ("Here is a <category>: a type of bird.", None),
    ("一张照片：<category>，一种鸟。", None),
    ("A photo of a <category> from 1990.", None),
    ("A photo of the <category> no. 5 in a set.", None),
    # explanations
    ("A photo of a <category>.\n\nThis template combines the best features.", PHOTO),
    ("A photo of a <category>. This template keeps what the best ones share.", PHOTO),
    ("A photo of a <category>. I kept the wording short.", PHOTO),
    ("A photo of a <category>. Explanation: short sentences score higher.", PHOTO),
    ("A photo of a <category>. It combines detail and light.", PHOTO),
    ("A photo of a <category>. (Note: I kept it simple.)", PHOTO),
    ("A photo of a <category>. Replace <category> with the class.", PHOTO),
    (
        "A photo of a <category>, where <category> is the name of the class.",
        "A photo of a <category>",
    ),
    ('"A photo of a <category>." This should score higher.', PHOTO),
    ('"A photo of a <category>."\n\n* The placeholder <category> is replaced.', PHOTO),
    ("A photo of a <category>.\nLet me know if you need more!", PHOTO),
    ("I've looked at the best templates. A photo of a <category>.", PHOTO),
    ("Une photo d'un <category>. Ce modèle est simple.", "Une photo d'un <category>."),
    ("一张<category>的照片。这个模板很简单。", "一张<category>的照片。"),
    # several sentences
    ("A photo of a <category>. It is seen at night.", None),
    (
        '"A photo of a <category>. It has feathers." This is new.',
        "A photo of a <category>. It has feathers.",
    ),
    ("Blue sky and water. A <category> in the wild.", None),
    ("一张<category>的照片。它在水里。", None),
    ("A photo of a <category>, e.g. in a garden.", None),
    # echoes of the accuracy
    ("A photo of a <category>. -> 54.4", PHOTO),
    ("A photo of a <category>. → 54.4%", PHOTO),
    ("A photo of a <category>. --> higher than 54.4", PHOTO),
    ("A photo of a <category>. (accuracy: 54.4)", PHOTO),
    ("A photo of a <category>. (expected accuracy: 60.5%)", PHOTO),
    ("A photo of a <category>. Accuracy: 54.4", PHOTO),
    ("A photo of a <category>.\nAccuracy: 54.4", PHOTO),
    ("A photo of a <category>. (54.4)", PHOTO),
    ("A photo of a <category>. 54.4", PHOTO),
    ("6. A photo of a <category>. -> 61.0", PHOTO),
    ("一张<category>的照片。（准确率：54.4）", "一张<category>的照片。"),
    # chat template residue, thinking, control characters
    ("assistant\n\nA photo of a <category>.", PHOTO),
    ("assistantA photo of a <category>.", PHOTO),
    ("assistant: A photo of a <category>.", PHOTO),
    ("assistants with a <category>.", None),
    ("Assistant chef with a <category>.", None),
    ("A photo of a <category> with assistants.", None),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nA photo of a <category>.<|eot_id|>", PHOTO),
    ("A photo of a <category>.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nMore?", PHOTO),
    ("A photo of a <category>.assistant\n\nLet me know if you need more.", PHOTO),
    ("<|im_start|>assistant\nA photo of a <category>.<|im_end|>", PHOTO),
    ("<start_of_turn>model\nA photo of a <category>.<end_of_turn>", PHOTO),
    ("<s>[INST] [/INST] A photo of a <category>.</s>", PHOTO),
    ("<think>\nMaybe a painting of a <category>?\n</think>\n\nA photo of a <category>.", PHOTO),
    ("Maybe a painting of a <category>?\n</think>\n\nA photo of a <category>.", PHOTO),
    ("\x1b[1mA photo\x1b[0m of a\u202e <category>\u202c.\x07", PHOTO),
    ("\ufeffA\u00a0photo  of\ta <category>\u200b.", PHOTO),
    ("\x1b]0;title\x07A photo of a <category>.", PHOTO),
    # lists
    ("1. A photo of a <category>.\n2. An image of a <category>.", PHOTO),
    ("1. A photo of a <category>. 2. An image of a <category>.", PHOTO),
    ("Here are two:\n\n* A photo of a <category>.\n* An image of a <category>.", PHOTO),
    ("1. A picture of a [color] <category>.\n2. A photo of a <category>.", PHOTO),
    ('"A photo of a <category>." or "An image of a <category>."', PHOTO),
    ("1. an image of a <category>. -> 50.0\nA photo of a <category>.", PHOTO),
    ('"A photo of a <category>,\na type of bird."', "A photo of a <category>, a type of bird."),
    ('"A photo of a <category>," "An image of a <category>."', "A photo of a <category>"),
    # others seen in practice
    (r"\boxed{\text{A photo of a <category>.}}", PHOTO),
    (r"A photo of a <category>.\n\nThis is short.", PHOTO),
    ("🌟 A photo of a <category>. 😊", PHOTO),
    ("A photo of a <category>. (26 characters)", PHOTO),
    ("A photo of a <category>. – emphasises the object", PHOTO),
    ("A photo of a <category> - a type of bird.", None),
    ("A photo of a <category>;", "A photo of a <category>"),
    ("Best are photos of a <category>.\n\nFinal template: A photo of a <category>.", PHOTO),
    ("Drafts:\n- A scan of a <category>.\n\nNew template:\nA photo of a <category>.", PHOTO),
    ("1. an image of a <category>. -> 50\n\nNew template: A photo of a <category>.", PHOTO),
    ("Considering the patterns, a good candidate is: A photo of a <category>.", PHOTO),
    ('How about "A photo of a <category>."?', PHOTO),
    ("My pet: a <category>.", None),
    ("Human: one more\nAssistant: A photo of a <category>.", PHOTO),
    ("好的，这是新的模板：一张<category>的照片。希望对你有帮助！", "一张<category>的照片。"),
    # other scripts
    ("صورة لـ <category>.", None),
    ("תמונה של <category>.", None),
    ("<category>की एक तस्वीर।", None),
    ("عکسی از <category> که می\u200cدود.", None),
    ("これは<category>の写真です。", None),
    ("ภาพถ่ายของ <category>", None),
]

# (reply that ends at the token limit, template)
CUT_OFF = [
    ("A photo of a <category>. It is se", PHOTO),
    ("A photo of a <category>.", PHOTO),
    ('"A photo of a <category>."', PHOTO),
    ('"A photo of a <category>"', "A photo of a <category>"),
    ("A photo of a <category>.\n\nThis template comb", PHOTO),
    ("1. A photo of a <category>.\n2. An image of a <cat", PHOTO),
    ("1. A photo of a <category>\n2. An image of a <category> in th", "A photo of a <category>"),
    ('"A photo of a <category>. It lives in', PHOTO),
    ("A photo of a <category>. (accuracy: 5", PHOTO),
    ("一张<category>的照片。它在", "一张<category>的照片。"),
    ("A photo of a <category>.<|eot_id|>user", PHOTO),
    ("A photo of a <category><|eot_id|>assistant and so", "A photo of a <category>"),
]

# (reply, finish, reason)
REJECTED = [
    ("", "stop", "empty"),
    (" \n\t ", "stop", "empty"),
    ('"..."', "stop", "empty"),
    ("<|eot_id|>", "stop", "empty"),
    ("\x00\u202e", "length", "empty"),
    ("A photo of a dog.", "stop", "no-placeholder"),
    ("assistant", "stop", "no-placeholder"),
    ("A photo of a category.", "stop", "no-placeholder"),
    ("<think>A photo of a <category>.</think>A photo.", "stop", "no-placeholder"),
    ("I'm sorry, but I can't help with that.", "stop", "question-or-refusal"),
    ("I cannot write a template with <category>.", "stop", "question-or-refusal"),
    ("Could you tell me more about the dataset?", "stop", "question-or-refusal"),
    ("抱歉，我无法完成这个任务。", "stop", "question-or-refusal"),
    ("Please replace <category> with the name of the class.", "stop", "not-a-template"),
    ("Here is a new template with the placeholder <category>:", "stop", "not-a-template"),
    ("A photo of a [adjective] <category>.", "stop", "open-slot"),
    ("A photo of a [adjective, e.g. red] <category>.", "stop", "open-slot"),
    ("A photo of a [adjective, e.g. <category>.", "stop", "open-slot"),
    ("A photo of a <category> with <detail>.", "stop", "open-slot"),
    ("A {color} <category>.", "stop", "open-slot"),
    ("A photo of a ____ <category>.", "stop", "open-slot"),
    ("A photo of a <category> with a", "stop", "unfinished"),
    ("A photo of a <category>, a", "length", "unfinished"),
    ("A photo of a <category> in the wild with many", "length", "unfinished"),
    ("A photo of a <category>, e.g.", "length", "unfinished"),
    ("Here is a new template that keeps what the best", "length", "unfinished"),
    ("A photo of a <categ", "length", "unfinished"),
    ("<think>Let me think about <category>", "length", "unfinished"),
    ("A photo of a <category> " + "and so on " * 40 + "now.", "stop", "too-long"),
]


@pytest.mark.parametrize(("reply", "template"), VALID)
def test_template_is_read(reply: str, template: str | None) -> None:
    parsed = parse_reply(reply)
    assert parsed.template == (reply if template is None else template), parsed
    assert parsed.reason is None


@pytest.mark.parametrize(("reply", "template"), CUT_OFF)
def test_whole_sentences_of_a_cut_off_reply_are_kept(reply: str, template: str) -> None:
    assert parse_reply(reply, finish="length").template == template


@pytest.mark.parametrize(("reply", "finish", "reason"), REJECTED)
def test_rejected_with_a_reason(reply: str, finish: str, reason: str) -> None:
    parsed = parse_reply(reply, finish=finish)  # type: ignore[arg-type]
    assert parsed.template is None
    assert parsed.reason == reason, parsed
    assert "\n" not in RejectReason(reason).explanation


def test_the_note_says_what_was_cleaned() -> None:
    assert parse_reply(PHOTO).note is None
    assert parse_reply('New template: "A photo of a <category>."').note == (
        "removed a preface, quotes"
    )
    listed = "1. A photo of a <category>. -> 61.0\n2. An image of a {}. -> 55.0\n3. A {}. -> 50.0"
    assert parse_reply(listed).note == "removed an accuracy; took the first of 3 listed templates"
    assert parse_reply("A [adjective] <category>.").note == "[adjective]"
    assert "350" in str(parse_reply("<category> " + "x" * 339, max_length=349).note)


def test_the_length_limit_cuts_extra_sentences_first() -> None:
    reply = "A photo of a <category>. It is seen at night."
    assert parse_reply(reply, max_length=30).template == PHOTO
    assert parse_reply(reply, max_length=10).reason is RejectReason.TOO_LONG


def test_every_reason_is_explained() -> None:
    for reason in RejectReason:
        assert reason.explanation.endswith(".")
        assert len(reason.explanation) < 80


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A photo of a <category>.", "a Photo  of a {} "),
        ("“A photo of a <category>”", "A photo of a <category>!"),
        ("a bird's-eye view of a <category>", "A bird’s-eye view of a [class]."),
        ("Ｐhoto of a ＜category＞。", "photo of a <category>"),
        ("Straße mit <category>", "STRASSE MIT <CATEGORY>"),
        ("a photo of\u200b a <category>", "a photo of a <category>"),
    ],
)
def test_normalise_makes_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_normalise_keeps_different_templates_apart() -> None:
    different = [PHOTO, BIRD, "A photo of the <category>.", "A photo of <category>s.", "<category>"]
    assert len({normalise(template) for template in different}) == len(different)


# --- Properties ---------------------------------------------------------------------------------

FRAGMENTS = [
    PLACEHOLDER, "{}", "[class]", "<detail>", "A photo of a ", "this is", "Sure! ",
    "Here is a template: ", "Template 1: ", '"', "'", "“", "”", "«", "»", "「", "」", "*", "**",
    "`", "```", "- ", "1. ", ": ", ". ", "。", "\n", "\n\n", " -> 54.4", "(accuracy: 5)",
    "<think>", "</think>", "<|eot_id|>", "assistant", "<|", "|>", "<", ">", "{", "}", "[", "]",
    "\\", "&lt;", "&amp;", "\x1b[1m", "\u202e", "\ufffd", "é", " ", "This template is good.",
    "I ", "where <category> is", "replace", "_", "e.g. ", "|", "#", "?", ",",
]  # fmt: skip
ANY_TEXT = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))
FINISH = st.sampled_from(["stop", "length"])


@settings(max_examples=600, deadline=None)
@given(ANY_TEXT, FINISH)
def test_any_text_gives_a_clean_stable_template_or_a_reason(text, finish):
    parsed = parse_reply(text, finish=finish)
    if parsed.template is None:
        assert parsed.reason is not None
        return
    template = parsed.template
    assert parsed.reason is None
    assert PLACEHOLDER in template
    assert template == template.strip()
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in template)
    assert not any(c in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069" for c in template)
    assert parse_reply(template) == Parsed(template=template)
    assert PLACEHOLDER in normalise(template)


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT)
def test_normalise_is_idempotent(text):
    key = normalise(text)
    assert normalise(key) == key


WORDS = st.sampled_from(
    ("photo", "picture", "bright", "small", "bird's-eye", "view", "of", "with", "in", "near",
     "garden", "assistants", "10:30", "tree", "café", "12", "shot-glass", "model's", "class")
)  # fmt: skip


@st.composite
def plain_templates(draw):
    before = " ".join(draw(st.lists(WORDS, max_size=6)))
    after = " ".join(draw(st.lists(WORDS, max_size=6)))
    colon = draw(st.sampled_from(["", ": a type of bird", ", a wild animal", " (close-up)"]))
    text = f"The {before} {PLACEHOLDER} {after}"
    return " ".join(text.split()) + colon + draw(st.sampled_from([".", "!", "?"]))


@settings(max_examples=300, deadline=None)
@given(plain_templates())
def test_normalise_ignores_case_spacing_and_quotes(template):
    key = normalise(template)
    assert normalise(template.upper().replace("<CATEGORY>", "{}")) == key
    assert normalise(f"  “{template.replace(' ', '   ')}”\n") == key
    assert normalise(template.replace("'", "’")) == key
    assert normalise(template[:-1]) == key


PREFACES = [
    "", "Sure! ", "Here is a new template: ", "Here is a new template:\n\n", "New template: ",
    "Template: ", "**Template:** ", "Template 3: ", "Voici :\n", "Hier ist eine neue Vorlage: ",
    "以下是一个新的模板：", "assistant\n\n", "Certainly!\n\n", "<think>\nwell\n</think>\n\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n", "I suggest: ",
]  # fmt: skip
BULLETS = ["", "- ", "* ", "1. ", "2) ", "• ", "> "]
WRAPS = [
    ("", ""), ('"', '"'), ("“", "”"), ("«\u00a0", "\u00a0»"), ("„", "“"), ("「", "」"), ("'", "'"),
    ("**", "**"), ("`", "`"), ('**"', '"**'), ("```\n", "\n```"),
]  # fmt: skip
TRAILERS = [
    "",
    "\n",
    " -> 54.4",
    " (accuracy: 61.2)",
    "\nAccuracy: 54.4",
    "<|eot_id|>",
    "\n\nThis template keeps what the best ones share.",
    "\n\nLet me know if you need more!",
]


@settings(max_examples=600, deadline=None)
@given(
    plain_templates(),
    st.sampled_from(PREFACES),
    st.sampled_from(BULLETS),
    st.sampled_from(WRAPS),
    st.sampled_from(TRAILERS),
)
def test_a_wrapped_template_comes_back_exactly(template, preface, bullet, wrap, trailer):
    if "```" in wrap[0]:
        bullet = ""
    reply = preface + bullet + wrap[0] + template + wrap[1] + trailer
    assert parse_reply(reply).template == template, reply


@pytest.mark.parametrize(
    "text",
    [
        "a", " ", "\n", '"', "'", "“", "«", "-", "<", "{", "[", "(", ":", ".", "!", "\\",
        "&amp;", "_", "*", "`", "<category>", "<category> ", "<category>\n", '"<category>" ',
        "<category>. ", "<think>", "</think>", "\x1b[", "\x1b]", "<|", "1. ", "Template: ",
        "Here is a template ", "(accuracy ", "-> ", "e.g. ", "Sure! ", "，", "。", "|", "&",
        "\u202e", "<category>: ", "a: ", "{c", "‘<category> ", "a\n", "of\n", "a of ", "a, (",
        "<|channel|>", "<|start|>", "<|message|>", "<|end|>", "[THINK]", "◁", "analysisA",
        "assistantfinal", "<category></category>", "</category>", "${category}", "accuracy 80 ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", get_args(Accept))
def test_adversarial_replies_take_linear_time(accept, text):
    reply = text * (100_000 // len(text))
    start = time.process_time()  # whatever else the machine does
    for reply_ in (reply, reply + PLACEHOLDER, "A <category> " + reply, f'"{reply}'):
        parse_reply(reply_, accept=accept)
    assert time.process_time() - start < 2.0  # under 0.5 s each

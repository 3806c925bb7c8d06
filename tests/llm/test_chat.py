from __future__ import annotations

import pytest
from tokenizers.processors import TemplateProcessing

from engine.common.errors import ModelError
from engine.llm.chat import (
    Thinking,
    compose_prompt,
    end_of_turn,
    prompt_tokens,
    stop_tokens,
    thinking,
)
from tests.support.tiny_llm import CHAT_TEMPLATE, NO_SYSTEM, SPECIAL, tiny_model, tiny_tokenizer

MESSAGES = [
    {"role": "system", "content": "You write prompts."},
    {"role": "user", "content": "One, please."},
]
DROPS_SYSTEM = CHAT_TEMPLATE.replace(
    "{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"
)


def rendered(template: str | None, messages=MESSAGES) -> str:
    tokenizer = tiny_tokenizer(template)
    text: str = tokenizer.decode(prompt_tokens(tokenizer, messages))
    return text


def test_the_prompt_ends_with_the_assistant_header_and_has_one_bos():
    assert rendered(CHAT_TEMPLATE) == (
        "<s><|system|>You write prompts.<|end|><|user|>One, please.<|end|><|assistant|>"
    )


@pytest.mark.parametrize("template", [NO_SYSTEM + CHAT_TEMPLATE, DROPS_SYSTEM])
def test_a_template_without_system_role_gets_it_in_the_user_turn(template):
    assert rendered(template) == (
        "<s><|user|>You write prompts.\n\nOne, please.<|end|><|assistant|>"
    )


def test_a_system_message_alone_becomes_a_user_turn():
    assert rendered(NO_SYSTEM + CHAT_TEMPLATE, MESSAGES[:1]) == (
        "<s><|user|>You write prompts.<|end|><|assistant|>"
    )


def test_a_base_model_gets_the_plain_format():
    assert rendered(None) == ("<s>System: You write prompts.\n\nUser: One, please.\n\nAssistant:")


@pytest.mark.parametrize("end", ["</s>", "<|end|>"])  # EOS, or a SEP
def test_a_tokenizer_that_ends_every_text_does_not_end_the_prompt(end: str) -> None:
    tokenizer, model = tiny_tokenizer(None), tiny_model("llama")
    ids = [(token, SPECIAL.index(token)) for token in ("<s>", end)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"<s> $A {end}", special_tokens=ids
    )
    assert tokenizer.decode(prompt_tokens(tokenizer, MESSAGES)) == rendered(None)
    assert stop_tokens(model, tokenizer) == {1, SPECIAL.index(end)}


@pytest.mark.parametrize("messages", [MESSAGES, MESSAGES[1:]])
def test_a_template_that_refuses_everything_is_an_error(messages):
    tokenizer = tiny_tokenizer("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ModelError, match="can't render the meta-prompt: roles must alternate"):
        prompt_tokens(tokenizer, messages)


def test_thinking_is_switched_off_where_the_template_knows_the_switch():
    template = CHAT_TEMPLATE + "{% if not enable_thinking %}<think></think>{% endif %}"
    assert rendered(template).endswith("<|assistant|><think></think>")


def test_end_of_turn_is_the_special_token_after_a_reply():
    assert end_of_turn(tiny_tokenizer()) == 5
    assert end_of_turn(tiny_tokenizer(CHAT_TEMPLATE.replace("<|end|>", "\n<|end|>\n"))) == 5
    assert end_of_turn(tiny_tokenizer(CHAT_TEMPLATE.replace("<|end|>", "\n"))) is None
    assert end_of_turn(tiny_tokenizer("{{ raise_exception('no') }}")) is None
    assert end_of_turn(tiny_tokenizer(None)) is None


def test_stop_tokens_are_every_end_of_sequence_and_the_end_of_turn():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    assert stop_tokens(model, tokenizer) == {1, 5}
    model.generation_config.eos_token_id = [7, 8]
    model.config.eos_token_id = 9
    assert stop_tokens(model, tokenizer) == {1, 5, 7, 8, 9}
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    tokenizer.eos_token = None
    tokenizer.chat_template = None
    assert stop_tokens(model, tokenizer) == frozenset()


# -- every message gets through --------------------------------------------------------------

PARTS = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
FIRST_ONLY = "{{ bos_token }}<|user|>{{ messages[0].content }}<|end|><|assistant|>"


def test_a_template_that_wants_parts_gets_them() -> None:
    assert rendered(PARTS) == rendered(CHAT_TEMPLATE)
    assert rendered(NO_SYSTEM + PARTS) == rendered(NO_SYSTEM + CHAT_TEMPLATE)


def test_a_template_that_reads_the_first_message_only_gets_all_in_it() -> None:
    assert rendered(FIRST_ONLY) == (
        "<s><|user|>You write prompts.\n\nOne, please.<|end|><|assistant|>"
    )


@pytest.mark.parametrize("template", ["<|user|>Hello.<|assistant|>", "{{ messages[0].role }}"])
def test_a_template_that_leaves_a_message_out_whatever_it_gets_is_an_error(template: str) -> None:
    with pytest.raises(ModelError, match=r"leaves out the system message \('You write prompts\.'"):
        rendered(template)
    with pytest.raises(ModelError, match="leaves out the user message .* choose another llm.model"):
        rendered(template, MESSAGES[1:])


LONG = [
    {"role": "system", "content": "  You write\n  «prompts».\n"},
    {"role": "user", "content": 'A "photo" of a <category> & more:\n\n1. it\'s -> 50.0\n'},
]


@pytest.mark.parametrize(
    "change",
    ["| trim", "| e", "| tojson", "| upper", "| replace('\\n', ' ')", "| trim | tojson | e"],
)
def test_a_text_that_is_trimmed_or_escaped_is_no_text_that_is_left_out(change: str) -> None:
    template = CHAT_TEMPLATE.replace("m.content", f"m.content {change}")
    text = rendered(template, LONG)
    assert text.count("<|") == 5 and text.startswith("<s><|system|>")  # neither merged nor parts


def test_bos_is_there_once() -> None:
    tokenizer = tiny_tokenizer()
    assert prompt_tokens(tokenizer, MESSAGES)[:2] == [0, 2]

    class Stubborn:
        """Adds its BOS whatever it is asked."""

        def __getattr__(self, name):
            return getattr(tokenizer, name)

        def __call__(self, text, add_special_tokens=True):
            return tokenizer(text)

    assert prompt_tokens(Stubborn(), MESSAGES)[:2] == [0, 2]
    tokenizer.chat_template = None
    assert prompt_tokens(tokenizer, MESSAGES).count(0) == 1


# -- replies that are begun ------------------------------------------------------------------

BEGUN = [*MESSAGES, {"role": "assistant", "content": "a photo of "}]


def test_a_reply_is_begun_right_after_its_header() -> None:
    tokenizer = tiny_tokenizer()
    prompt = compose_prompt(tokenizer, BEGUN)
    assert tokenizer.decode(prompt.ids) == rendered(CHAT_TEMPLATE) + "a photo of"
    assert prompt.prefix == "a photo of"  # the space belongs to the next token
    tokenizer.chat_template = None
    assert tokenizer.decode(compose_prompt(tokenizer, BEGUN).ids).endswith("Assistant: a photo of")


@pytest.mark.parametrize("space", [" ", "\n", ""])
def test_the_space_that_a_template_has_before_replies_is_there(space: str) -> None:
    template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ "
        f"{space!r}"
        " }}{% endif %}{{ m.content }}[/INST]{% endfor %}"
    )
    text = rendered(template, BEGUN)
    assert text.endswith(f"[/INST]{space}a photo of")


def test_a_reply_is_begun_after_an_empty_thought() -> None:
    template = CHAT_TEMPLATE + "{% if not enable_thinking %}<think></think>\n{% endif %}"
    assert rendered(template, BEGUN).endswith("<|assistant|><think></think>\na photo of")


# -- who thinks ------------------------------------------------------------------------------

_HEADER = "{% if add_generation_prompt %}<|assistant|>"
_SWITCH = CHAT_TEMPLATE.replace(
    _HEADER, _HEADER + "{% if enable_thinking is false %}<think></think>{% endif %}"
)
OPENS = CHAT_TEMPLATE.replace(_HEADER, _HEADER + "<think>\n")
THINKING = {
    "none": (CHAT_TEMPLATE, Thinking()),
    "base model": (None, Thinking()),
    "switched off": (_SWITCH, Thinking(possible=True)),
    "switched off by a variable": (
        "{% if thinking is not false %}<think>{% endif %}" + CHAT_TEMPLATE,
        Thinking(possible=True),
    ),
    "off unless asked for": (
        "{# reads <channel|> and <|channel> in replies #}"
        "{% if enable_thinking is defined and enable_thinking %}<|think|>{% endif %}"
        + CHAT_TEMPLATE,
        Thinking(possible=True),
    ),
    "opened by the prompt": (OPENS, Thinking(True, True, True)),
    "opened, and switched off by a word": (
        "{% set ns = namespace(off=false) %}{% for m in messages %}{% if '/no_think' in m.content"
        " %}{% set ns.off = true %}{% endif %}{% endfor %}"
        + CHAT_TEMPLATE.replace("m.content", "m.content.replace('/no_think', '')").replace(
            _HEADER, _HEADER + "<think>{% if ns.off %}</think>{% endif %}"
        ),
        Thinking(possible=True),
    ),
    "told to in the system prompt": (
        "Think between [THINK] and [/THINK]." + CHAT_TEMPLATE,
        Thinking(possible=True, expected=True),
    ),
    "harmony": (
        CHAT_TEMPLATE.replace(
            "{{ m.content }}",
            "{% if m.role == 'assistant' %}<|channel|>final<|message|>{% endif %}{{ m.content }}",
        ),
        Thinking(True, True, True),
    ),
}


@pytest.mark.parametrize("what", THINKING)
def test_the_chat_template_says_whether_an_llm_thinks(what: str) -> None:
    template, expected = THINKING[what]
    assert thinking(tiny_tokenizer(template)) == expected


def test_a_thought_that_the_prompt_opens_is_known() -> None:
    assert compose_prompt(tiny_tokenizer(OPENS), MESSAGES).thought is not None
    assert compose_prompt(tiny_tokenizer(_SWITCH), MESSAGES).thought is None
    about = [{"role": "user", "content": "What is <think>?"}]
    assert compose_prompt(tiny_tokenizer(), about).thought is None

from __future__ import annotations

import pytest

from engine.errors import ModelError
from engine.llm.chat import end_of_turn, prompt_tokens, stop_tokens
from tests.tiny_llm import CHAT_TEMPLATE, NO_SYSTEM, tiny_model, tiny_tokenizer

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

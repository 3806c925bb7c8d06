"""Templates that never end, or take all memory, of a model or in a file that was passed on."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers import AutoTokenizer

from engine.common.errors import ConfigError, ModelError
from engine.config import LLMConfig, SamplingConfig
from engine.llm.chat import compose_prompt
from engine.llm.transformers_llm import LocalLLM
from engine.prompts import jinja_limits
from engine.prompts.jinja_limits import limited_rendering
from engine.prompts.message import Message
from engine.search.meta_prompt import load_meta_prompt
from engine.vlm.dual_encoder.task import TASK
from tests.support.tiny_llm import CHAT_TEMPLATE, save_tiny

ASKED: list[Message] = [{"role": "user", "content": "?"}]
BLOCKS = "{% block system %}{% endblock %}{% block user %}"
LOOP = "{% for i in range(99999) %}"
ENDLESS = {
    "a range": "{% for i in range(10**9) %}{% endfor %}",
    "loops in loops": f"{LOOP * 3}{'{% endfor %}' * 3}",
    "a macro": f"{{% macro m() %}}{LOOP}{{{{ m() }}}}{{% endfor %}}{{% endmacro %}}{{{{ m() }}}}",
    "a power": "{{ 9**999999999 }}",
    "a long text": "{{ 'a' * 10**10 }}",
    "a long list": "{{ [1] * 10**9 }}",
    "doubling": f"{{% set n = namespace(x='a') %}}{LOOP}{{% set n.x = n.x ~ n.x %}}{{% endfor %}}",
    "a wide format": "{{ '%9999999999d' % 1 }}",
    "a format's star": "{{ '%*d' % (9999999999, 1) }}",
    "products": f"{{% set n = namespace(x=3) %}}{LOOP}{{% set n.x = n.x * n.x %}}{{% endfor %}}",
}


@pytest.fixture
def few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end is ended sooner."""
    monkeypatch.setattr(jinja_limits, "LINES", 50_000)


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_a_template_that_does_not_end_is_ended(source: str) -> None:
    """On any thread, and without a clock."""
    said: list[BaseException] = []

    def render() -> None:
        try:
            with limited_rendering(lines=100_000, memory_bytes=1 << 26):
                ImmutableSandboxedEnvironment().from_string(source).render()
        except Exception as error:
            said.append(error)

    before = sys.gettrace()
    render()
    assert sys.gettrace() is before
    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    assert len(said) == 2
    assert all(isinstance(e, TemplateRuntimeError | OverflowError | RecursionError) for e in said)


def test_a_filter_that_works_long_is_ended() -> None:
    template = ImmutableSandboxedEnvironment().from_string("{{ ('a' * 900000)|wordwrap(1) }}")
    with pytest.raises(TemplateRuntimeError, match="more than"), limited_rendering(seconds=0.2):
        template.render()


def test_what_ends_is_rendered_as_it_was() -> None:
    source = "{{ 'ab' * 3 }} {{ 2**10 }} {{ 7 % 4 }} {{ '%5.1f' % 2.25 }} {{ [1] * 2 }}"
    with limited_rendering():
        text = ImmutableSandboxedEnvironment().from_string(source).render()
    assert text == "ababab 1024 3   2.2 [1, 1]"


def test_a_list_of_many_classes_is_far_from_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "m.jinja"
    code = "{% for name in class_names %}{% if name %}{{ name }}{% endif %}{% endfor %}"
    file.write_text(BLOCKS + code + "{% endblock %}")
    messages = load_meta_prompt(str(file), TASK).compose(
        dataset_name="d",
        dataset_description="",
        class_names=["class"] * 100_000,
        best=(),
        worst=(),
        step=1,
    )
    assert messages[-1]["content"].count("class") == 100_000


@pytest.mark.usefixtures("few_lines")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (ENDLESS["loops in loops"], "did not end within"),
        (ENDLESS["a power"], "an operator would make"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 'a' + 1 }}", "can only concatenate"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
    ],
)
def test_a_file_is_refused_with_a_sentence(tmp_path: Path, code: str, said: str) -> None:
    file = tmp_path / "m.jinja"
    file.write_text(BLOCKS + code + "{% endblock %}")
    with pytest.raises(ConfigError, match=rf"m\.jinja: the user block can't be rendered: .*{said}"):
        load_meta_prompt(str(file), TASK)


@pytest.mark.usefixtures("few_lines")
def test_a_model_s_chat_template_is_ended(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path, chat_template=ENDLESS["loops in loops"] + CHAT_TEMPLATE)
    llm = LocalLLM.load(LLMConfig(model=str(folder), device="cpu"))
    with pytest.raises(ModelError, match="chat template can't render .* did not end within"):
        next(llm.propose(ASKED, SamplingConfig(), [1]))


def test_a_template_that_does_not_end_is_tried_once(tmp_path: Path) -> None:
    """Not in each form that messages can have: each try takes its time and memory again."""
    tokenizer = AutoTokenizer.from_pretrained(
        save_tiny(tmp_path, chat_template=ENDLESS["loops in loops"] + CHAT_TEMPLATE)
    )
    tries: list[int] = []
    render = tokenizer.apply_chat_template

    def counted(*arguments: Any, **options: Any) -> Any:
        tries.append(1)
        with limited_rendering(lines=100_000):
            return render(*arguments, **options)

    tokenizer.apply_chat_template = counted
    with pytest.raises(ModelError, match="did not end within"):
        compose_prompt(tokenizer, [{"role": "system", "content": "?"}, *ASKED])
    assert len(tries) == 1

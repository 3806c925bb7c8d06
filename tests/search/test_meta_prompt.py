from pathlib import Path

import pytest

from engine.common.errors import ConfigError
from engine.search.meta_prompt import Example, MetaPrompt, load_meta_prompt
from engine.vlm.dual_encoder.task import TASK


def composed(prompt: MetaPrompt, **changes: object) -> dict[str, str]:
    values: dict = {
        "dataset_name": "pets",
        "dataset_description": "Cats and dogs.",
        "class_names": ["cat", "dog"],
        "best": [Example("a <category>.", 41.25), Example("the <category>.", 50.0)],
        "worst": [Example("no <category>.", 10.0)],
        "step": 3,
    }
    messages = prompt.compose(**{**values, **changes})
    return {m["role"]: m["content"] for m in messages}


def test_examples_stand_in_the_prompt_with_their_accuracies_best_last() -> None:
    user = composed(load_meta_prompt(None, TASK))["user"]
    assert "1. a <category>. -> 41.2\n2. the <category>. -> 50.0" in user
    assert "1. no <category>. -> 10.0" in user
    assert "pets. Cats and dogs." in user


def test_the_system_prompt_is_static_and_the_first_step_has_no_worst() -> None:
    prompt = load_meta_prompt(None, TASK)
    first = composed(prompt, best=[Example("a <category>.", 41.0)], worst=[], step=1)
    later = composed(prompt)
    assert first["system"] == later["system"]
    assert "worst" not in first["user"].split("Keep what")[0].lower()


def test_text_from_the_data_set_is_not_a_template() -> None:
    evil = "{{ ''.__class__ }} {% raw %}"
    assert evil in composed(load_meta_prompt(None, TASK), dataset_description=evil)["user"]


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.jinja"
    file.write_text(text)
    return str(file)


def test_a_users_own_template_file(tmp_path: Path) -> None:
    text = (
        "{% block system %}{% endblock %}"
        "{% block user %}{{ class_names | join(', ') }} {{ best[-1].text }}{% endblock %}"
    )
    messages = composed(load_meta_prompt(write(tmp_path, text), TASK))
    assert messages == {"user": "cat, dog the <category>."}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% block user %}x{% endblock %}", "no block named system"),
        ("{% block user %}{% block system %}{% endblock %}", "line"),
        (
            "{% block system %}{% endblock %}{% block user %}{{ datset }}{% endblock %}",
            "'datset' is undefined",
        ),
        (
            "{% block system %}{% endblock %}"
            "{% block user %}{{ best.__class__.__mro__ }}{% endblock %}",
            "can't be rendered",
        ),
    ],
)
def test_mistakes_in_a_template_file_are_said_before_anything_is_loaded(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        load_meta_prompt(write(tmp_path, text), TASK)
    assert "mine.jinja" in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"proposal\.template_file: /nowhere"):
        load_meta_prompt("/nowhere", TASK)

"""The demo world's words say what they mean, and only that."""

import random
import subprocess
import sys

import pytest

from engine.data.demo_world.vocabulary import (
    CLASSES,
    DEFAULT_TASK,
    FACTORS,
    FAMILIES,
    FAMILY_OF,
    HIDDEN_FACTORS,
    TASKS,
    build_template,
    caption,
    named_values,
    random_task,
)
from engine.prompts.template import PLACEHOLDER
from engine.vlm.dual_encoder.task import TASK


def test_every_phrase_names_its_value_and_no_other() -> None:
    for factor in FACTORS.values():
        for value, phrases in factor.values.items():
            for words in phrases:
                assert named_values(f"thing {words} thing") == {factor.name: value}, words


def test_a_template_names_the_values_it_was_built_from() -> None:
    rng = random.Random(0)
    for _ in range(1000):
        chosen = rng.sample(tuple(FACTORS), rng.randint(0, 6))
        named = {f: rng.choice(tuple(FACTORS[f].values)) for f in chosen}
        template = build_template(named, rng)
        assert template.count(PLACEHOLDER) == 1
        found = named_values(template)
        if "medium" not in named:  # "a photo of" is also what one says of anything
            found.pop("medium", None)
        assert found == named, template


def test_a_caption_is_a_template_with_the_class_name() -> None:
    text = caption("apple", {"light": "blue"}, random.Random(1))
    assert "apple" in text
    assert PLACEHOLDER not in text
    assert named_values(text)["light"] == "blue"


@pytest.mark.parametrize("seed", range(20))
def test_a_random_task_is_like_the_shipped_ones(seed: int) -> None:
    check_task(random_task(random.Random(seed)))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_needs_its_four_factors_and_does_not_tell_them(name: str) -> None:
    assert TASKS[name].name == name
    check_task(TASKS[name])


def check_task(task) -> None:
    assert len(task.informative) == 4
    assert set(task.classes) <= set(CLASSES)
    assert len(set(task.classes)) == len(task.classes)
    assert set(HIDDEN_FACTORS) <= set(task.factors)
    families = [FAMILIES[FAMILY_OF[c]] for c in task.classes]
    assert {f.factor for f in families} == set(task.informative)
    for family in families:  # a class alone of its family would be certain
        assert sum(c in task.classes for c in family.classes) >= 2
    told = named_values(task.description)
    assert not [f for f in told if f in HIDDEN_FACTORS], told


def test_the_default_task_and_the_seed_template_exist() -> None:
    assert DEFAULT_TASK in TASKS
    assert set(named_values(TASK.seed_template)) <= {"medium"}


def test_importing_the_vocabulary_is_cheap() -> None:
    code = (
        "import sys, engine.data.demo_world.vocabulary; "
        "print([m for m in ('torch', 'numpy', 'PIL', 'transformers') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"

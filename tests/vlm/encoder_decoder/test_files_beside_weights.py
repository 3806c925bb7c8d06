"""A run can't go on once a file of its VLM says that images or texts are read otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.run.contract import ContractError, Expected, check_fitness, facts_of_fitness
from engine.run.events import ModelsLoaded
from engine.vlm.interface import Fitness
from engine.vlm.loading import load_fitness
from tests.support.questions import configured
from tests.support.tiny_embedder import save_random_embedder
from tests.support.tiny_llava import save_tiny_llava


def in_json(name: str, *path: str, value: object) -> Callable[[Path], None]:
    """Changes a value in a file of a model."""

    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        (folder / name).write_text(json.dumps(content))

    return edit


def template_with(text: str) -> Callable[[Path], None]:
    """Has the chat begin with a text."""

    def edit(folder: Path) -> None:
        file = folder / "chat_template.jinja"
        file.write_text(text + file.read_text())

    return edit


def nothing_that_matters(folder: Path) -> None:
    (folder / "README.md").write_text("About it.")
    (folder / "notes.json").write_text("{}")


@pytest.mark.parametrize(
    ("answer", "edit", "is_other"),
    [
        ("likelihood", template_with("Look closely. "), True),
        ("likelihood", in_json("processor_config.json", "image_processor", "image_mean",
                               value=[0.1, 0.1, 0.1]), True),
        ("choice", template_with("Hello. "), True),
        ("embedding", in_json("generation_config.json", "repetition_penalty", value=1.2), True),
        ("likelihood", in_json("generation_config.json", "repetition_penalty", value=1.2), False),
        ("embedding", nothing_that_matters, False),
    ],
)  # fmt: skip
def test_files_that_say_how_it_is_asked_are_compared(
    answer: str, edit: Callable[[Path], None], is_other: bool, tmp_path: Path
) -> None:
    folder = save_tiny_llava(tmp_path / "llava")
    by = save_random_embedder(tmp_path / "embedder", folder / "tokenizer.json")
    config = configured(folder, f"vlm.answer={answer}", f"vlm.embedder={by}")

    def load() -> Fitness:
        return load_fitness(config, lambda *_: None, lambda _: None, Kept())

    before = load()
    models = ModelsLoaded.model_construct(**facts_of_fitness(before))
    edit(folder)
    after = load()
    expected = Expected(models, "one", 1)
    if is_other:
        with pytest.raises(ContractError, match="the VLM is llava"):
            check_fitness(expected, after)
    else:
        check_fitness(expected, after)

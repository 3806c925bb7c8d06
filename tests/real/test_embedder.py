"""A real sentence embedder, all-MiniLM-L6-v2, judges the answers of an encoder-decoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.common.kept import Kept
from engine.session.local import LocalSession
from engine.vlm.encoder_decoder import writing
from engine.vlm.encoder_decoder.embedder import Embedder, load_embedder
from engine.vlm.loading import load_fitness
from tests.support.questions import configured, scored
from tests.support.small_runs import drive
from tests.support.tiny_llava import save_tiny_llava

NAMES = ["apple", "axe", "teapot", "red boat", "French bulldog", "annual crop land"]
SAID = [
    "The image shows a round red fruit with a stem, an apple on a table.",
    "A tool with a wooden handle and a metal blade, used to chop wood.",
    "This is a kettle-like vessel with a spout, used to brew and pour tea.",
    "A small ship painted in red, on the water.",
    "A small dog with bat-like ears; its breed is the French bulldog.",
    "A satellite picture of fields where crops are grown each year.",
]


@pytest.fixture(scope="module")
def embedder(minilm: Path) -> Embedder:
    return load_embedder(str(minilm), torch.device("cpu"))


def test_an_answer_in_other_words_is_nearest_to_what_it_means(embedder: Embedder) -> None:
    nearest = (embedder.embed(SAID) @ embedder.embed(NAMES).T).argmax(dim=1)
    assert nearest.tolist() == list(range(len(NAMES)))


def test_a_text_is_one_point_alone_and_among_others(embedder: Embedder) -> None:
    together = embedder.embed([*SAID, "", *NAMES])
    alone = torch.cat([embedder.embed([text]) for text in SAID])
    assert together.shape == (13, 384) and torch.allclose(together[:6], alone, atol=1e-5)
    assert torch.allclose(together.norm(dim=1)[:6], torch.ones(6), atol=1e-5)
    assert not together[6].any()


def test_a_run_with_it_comes_to_its_end_and_answers_are_judged_by_it(
    minilm: Path, tmp_path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    model = save_tiny_llava(tmp_path / "llava")
    overrides = ["vlm.answer=embedding", f"vlm.embedder={minilm}", "vlm.max_new_tokens=6"]
    config = configured(model, *overrides)
    state = drive(LocalSession.create(config, run_folder))
    assert state.status == "finished", state.error
    # The same fitness with a model that answers well: every class by its name.
    fitness = load_fitness(config, lambda *_: None, lambda _: None, Kept())
    labels = {item.path: item.label for item in fitness.images("train")}
    asked = iter(labels.values())
    monkeypatch.setattr(
        type(fitness._questions),
        "text",
        lambda *_: f"In the picture one can see {fitness.class_names[next(asked)]}.",
    )
    monkeypatch.setattr(writing, "write_answers", lambda _, prefixes, *rest: [[5]] * len(prefixes))
    (score,) = scored(fitness, "name it")
    assert score.hits == score.n == len(labels)

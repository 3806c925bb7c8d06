"""The classifier head: the same logits as the engine's ensemble, or a clear refusal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from engine.analysis.export.exported import Exported, read_exported
from engine.analysis.export.writing import export, make_content
from engine.common.errors import UserError
from engine.config.toml_file import load_config
from engine.run.state import RunState
from engine.storage.run_folder import EVENTS
from engine.vlm.dual_encoder.fitness import DualEncoder
from engine.vlm.dual_encoder.scoring import score_features
from tests.support.exported_runs import QUESTIONS, TEMPLATES, drained, run_of
from tests.support.small_runs import OVERRIDES


def test_a_head_gives_the_very_scores_of_the_engines_ensemble(
    demo_models: Callable, tmp_path: Path
) -> None:
    search = demo_models(*OVERRIDES)
    fitness: DualEncoder = search.fitness
    run = of_this_vlm(run_of(search.config, fitness.class_names, TEMPLATES), fitness)
    path = export(run, "head", tmp_path)
    with safe_open(path, "pt") as file:
        weight, scale = file.get_tensor("weight"), float(file.get_tensor("logit_scale"))
        about = file.metadata()
    images = fitness._images["test"]
    ours = score_features(images.features, images.labels, weight, scale=scale)
    assert ours == drained(fitness.score_ensemble(TEMPLATES, split="test"))
    assert weight.shape == (len(fitness.class_names), images.features.shape[1])
    assert json.loads(about["class_names"]) == list(fitness.class_names)
    assert json.loads(about["templates"]) == list(TEMPLATES)
    assert about["weights"] == fitness.weights and about["model"] == search.config.vlm.model


def of_this_vlm(run: Exported, fitness: DualEncoder, weights: str | None = None) -> Exported:
    """The run as one whose journal names this VLM."""
    assert run.state.models is not None
    facts = {"vlm": fitness.name, "vlm_revision": fitness.revision}
    facts["vlm_weights"] = fitness.weights if weights is None else weights
    return replace(run, state=replace(run.state, models=run.state.models.model_copy(update=facts)))


def test_a_run_on_disk_gives_its_measured_ensemble(
    undisturbed: Path, demo_models: Callable
) -> None:
    run = read_exported(undisturbed)
    fitness = demo_models(*OVERRIDES).fitness
    content = make_content(run, "head")
    assert isinstance(content, bytes)
    from safetensors.torch import load

    found = load(content)
    images = fitness._images["test"]
    score = score_features(
        images.features, images.labels, found["weight"], scale=float(found["logit_scale"])
    )
    measured = run.state.test("ensemble")
    assert measured is not None and score.hits == measured.hits


def test_other_weights_make_no_head(demo_models: Callable) -> None:
    search = demo_models(*OVERRIDES)
    run = run_of(search.config, search.fitness.class_names, TEMPLATES)
    other = of_this_vlm(run, search.fitness, weights="fp32 0123456789abcdef")
    with pytest.raises(UserError, match="the head would not be that of the run: the VLM is clip"):
        make_content(other, "head")


def test_a_vlm_that_answers_has_no_head() -> None:
    run = run_of(load_config("demo-llava"), ("a", "b"), QUESTIONS)
    with pytest.raises(UserError, match="vlm.kind = encoder-decoder"):
        make_content(run, "head")


def test_a_run_without_a_template_has_no_head(tmp_path: Path) -> None:
    run = run_of(load_config("demo"), ("a", "b"), TEMPLATES)
    for events, said in (
        (run.events[:1], "models were not loaded"),
        (run.events[:2], "no template"),
    ):
        begun = replace(run, events=events, state=RunState().apply_all(events))
        with pytest.raises(UserError, match=said):
            make_content(begun, "head")


def test_somebody_elses_model_is_not_loaded_unless_it_is_said(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_text("")
    tmp_path.chmod(0o777)
    (tmp_path / EVENTS).chmod(0o666)
    config = load_config("demo", [f"vlm.model={tmp_path}/model"])
    run = replace(run_of(config, ("a", "b"), TEMPLATES), folder=tmp_path)
    with pytest.raises(UserError, match="--trust-run"):
        make_content(run, "head")
    with pytest.raises(UserError, match="doesn't exist"):
        make_content(replace(run, trusted=True), "head")
    assert os.path.lexists(tmp_path)

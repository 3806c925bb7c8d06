"""What is asked of ``glov eval``: runs, lists, other models, comparisons; no screen here."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.analysis import evaluation_cache
from engine.analysis.against import contestants, pair, paired_up
from engine.analysis.evaluate import Evaluation, Measurement, Subject, evaluate
from engine.analysis.evaluate_report import as_dict
from engine.analysis.evaluating import Asked, Evaluated, evaluate_asked
from engine.common.errors import ConfigError, DataError, JournalError, ModelError, UserError
from engine.common.kept import Kept
from engine.data.dataset import LabelledImage
from engine.data.registry import load_dataset
from engine.run.contract import ContractError
from engine.session.local import LocalSession
from engine.storage.journal import read_state
from engine.storage.predictions import ImageIndex, all_files
from engine.storage.run_folder import EVENTS, PREDICTIONS
from engine.vlm.predictions import ImagePredictions
from tests.support.patience import CEILING_SECONDS
from tests.support.small_models import build_model_folder
from tests.support.small_runs import demo, drive

LONG = "n" * 300  # no file system has such a name
OPENAI = "a photo of a {}.\na picture of the {c}.\n"


@pytest.fixture
def run(undisturbed: Path, tmp_path: Path) -> Path:
    """A run that a test may write to."""
    shutil.copytree(undisturbed, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model."""
    return build_model_folder(tmp_path_factory.mktemp("models") / "tiny", "clip", seed=3)


def asked(**options) -> Evaluated:
    return evaluate_asked(Asked(**options), lambda *_: None, lambda said: pytest.fail(said))


def accuracies(found: Evaluated, backbone: int = 0) -> dict[str, float]:
    return {one.subject.name: one.accuracy for one in found.evaluations[backbone].measurements}


def test_a_run_as_it_measured_itself(run: Path) -> None:
    state = read_state(run)
    found = asked(run=str(run))
    by_name = accuracies(found)
    assert list(by_name) == ["seed", "best", "top 3", "greedy 3"]
    for subject, name in (("seed", "seed"), ("best", "best"), ("ensemble", "greedy 3")):
        test = state.test(subject)
        assert by_name[name] == test.hits / test.n
    measured = found.evaluations[0].measurements
    assert [one.was_kept for one in measured] == [True, True, False, True]
    assert measured[2].subject.templates == tuple(t.text for t in state.ranking[:3])
    again = asked(run=str(run))
    assert all(one.was_kept for one in again.evaluations[0].measurements)
    assert accuracies(again) == by_name


def test_a_run_that_was_killed_has_what_it_would_have_now(run: Path, kept: Kept) -> None:
    lines = (run / EVENTS).read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"kind":"step-finished"' in line)
    (run / EVENTS).write_bytes(b"".join(lines[: last + 1]))
    found = asked(run=str(run))
    shutil.rmtree(run / PREDICTIONS)  # scored again, and the same is chosen
    remarks: list[str] = []
    again = evaluate_asked(Asked(run=str(run)), lambda *_: None, remarks.append)
    assert [one.subject for one in again.evaluations[0].measurements] == [
        one.subject for one in found.evaluations[0].measurements
    ]
    assert len(remarks) == 1 and "scored again" in remarks[0]
    assert "has not come to its end (3 of 3 steps done)" in as_dict(found)["notes"][0]
    drive(LocalSession.resume(run, kept=kept))
    ended = read_state(run).test("ensemble")
    assert found.source.subjects[-1].templates == ended.templates


def test_on_other_models_the_same_templates(run: Path, tiny: Path) -> None:
    files = [path.name for path, _ in all_files(run, "test")]
    found = asked(run=str(run), backbones=[str(tiny), str(tiny)])
    own, other = found.evaluations
    assert (own.vlm, other.vlm) == ("clip", "tiny")
    assert [one.subject.templates for one in own.measurements] == [
        one.subject.templates for one in other.measurements
    ]
    alone = evaluate(
        read_state(run).config.model_copy(
            update={"vlm": read_state(run).config.vlm.model_copy(update={"model": str(tiny)})}
        ),
        [one.subject for one in other.measurements],
        progress=lambda *_: None,
        report=pytest.fail,
    )
    for one, again in zip(other.measurements, alone.measurements, strict=True):
        assert np.array_equal(one.predicted, again.predicted)
    assert [path.name for path, _ in all_files(run, "test")][: len(files)] == files
    document = json.loads(json.dumps(as_dict(found)))
    assert [one["backbone"] for one in document["subjects"][0]["measured"]] == ["clip", "tiny"]
    assert document["subjects"][3]["selection"] == "greedy"


def test_what_was_measured_is_not_lost_where_another_model_fails(run: Path, tiny: Path) -> None:
    found = asked(run=str(run), backbones=["hf-hub:nobody/has-this", str(tiny)])
    assert [one.vlm for one in found.evaluations] == ["clip", "tiny"]
    document = as_dict(found)
    assert [one["backbone"] for one in document["failed"]] == ["hf-hub:nobody/has-this"]
    assert "can't be loaded" in document["failed"][0]["error"]


def test_a_list_with_the_images_of_a_run_or_of_a_configuration(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "openai.txt"
    file.write_text(OPENAI)
    before = sorted((run / PREDICTIONS).iterdir())
    of_run = asked(run=str(run), templates=str(file))
    alone = asked(templates=str(file), config="demo")
    by_default = asked(templates=str(file))
    assert accuracies(of_run) == accuracies(alone) == accuracies(by_default)
    assert list(accuracies(alone)) == ["line 1", "line 2", "all 2"]
    assert sorted((run / PREDICTIONS).iterdir()) == before  # they are not the run's
    of_other = asked(templates=str(run), config="demo")
    assert accuracies(of_other) == accuracies(asked(run=str(run)))
    result = tmp_path / "result.json"
    result.write_text(json.dumps(as_dict(of_other)))
    assert accuracies(asked(templates=str(result))) == accuracies(of_other)


def test_against_a_list_and_another_run(run: Path, tmp_path: Path, kept: Kept) -> None:
    file = tmp_path / "openai.txt"
    file.write_text(OPENAI)
    found = asked(run=str(run), against=str(file))
    names = [(one.first.subject.name, one.second.subject.name) for _, one in found.pairs]
    assert names == [("best", "openai.txt: all 2"), ("greedy 3", "openai.txt: all 2")]
    for _, one in found.pairs:
        assert one.hits.difference == pytest.approx(one.first.accuracy - one.second.accuracy)
        assert one.hits.both + one.hits.first == one.first.hits
        changed = sum(change.first - change.second for change in one.changes)
        assert changed == one.first.hits - one.second.hits
        shares = [change.difference for change in one.changes]
        assert shares == sorted(shares, reverse=True) and 0 not in shares
    other = tmp_path / "other"
    drive(LocalSession.create(demo("seed=4", "steps=1"), other, kept=kept))
    found = asked(run=str(run), against=str(other))
    names = [(one.first.subject.name, one.second.subject.name) for _, one in found.pairs]
    assert names == [("best", "other: best"), ("greedy 3", "other: greedy 3")]
    assert all(one.was_kept for one in found.evaluations[0].measurements[-2:])  # by the other run
    document = as_dict(found)
    assert document["against"] == str(other)
    assert [one["second"] for one in document["comparisons"]] == [name for _, name in names]


def test_by_images_of_which_all_is_known() -> None:
    images = tuple(LabelledImage(f"{n}.png", label) for n, label in enumerate([0, 0, 1, 1, 1]))
    labels = np.array([image.label for image in images])

    def made(name: str, *classes: int) -> Measurement:
        log = np.log(np.full((5, 2), 0.5))
        return Measurement.of(
            Subject(name, (name,)), labels, ImagePredictions.of(log, classes), was_kept=True
        )

    one, other = made("one", 0, 0, 0, 1, -1), made("other", 1, 0, 1, 1, 0)
    index = ImageIndex(Path("/x"), images, 2, "0a")
    evaluation = Evaluation("v", "", "d", "0", ("cup", "bell"), "test", index, (one, other))
    found = pair(evaluation, one, other)
    assert (found.hits.both, found.hits.first, found.hits.second, found.hits.neither) == (
        2,
        1,
        1,
        1,
    )
    assert [(c.name, c.images, c.first, c.second) for c in found.changes] == [
        ("cup", 2, 2, 1),
        ("bell", 3, 1, 2),
    ]
    assert one.unnamed == 1 and one.probability == pytest.approx(0.4, abs=1e-4)


def test_like_is_compared_with_like() -> None:
    run = [Subject(name, (name,)) for name in ("seed", "best", "top 3", "greedy 3")]
    short, listed = run[:2], [Subject(f"line {n}", ("x",)) for n in range(4)]
    assert [contestants(some) for some in (run, short, listed, listed[:1])] == [
        [1, 3],
        [1],
        [3],
        [0],
    ]
    assert paired_up([1, 2], [3, 4]) == [(1, 3), (2, 4)]
    assert paired_up([1, 2], [3]) == [(1, 3), (2, 3)] and paired_up([1], [3, 4]) == [(1, 3), (1, 4)]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, ConfigError, "give a run, or --templates FILE"),
        ({"run": "RUN", "config": "demo"}, ConfigError, "a run has its own configuration"),
        ({"run": "RUN", "overrides": ["steps=3"]}, ConfigError, "steps can't change"),
        ({"run": "nowhere"}, JournalError, "nowhere: no run there"),
        ({"templates": "nowhere.txt"}, DataError, "no such file, and no run of that name"),
        ({"run": "RUN", "against": "nowhere"}, DataError, "no such file, and no run of that name"),
        ({"templates": ".", "config": "demo"}, DataError, "it is no file, and no run of that name"),
        ({"templates": LONG, "config": "demo"}, UserError, "can't be looked for"),
        ({"run": "RUN", "against": LONG}, UserError, "can't be looked for"),
        ({"run": "RUN", "backbones": [f"./{LONG}"]}, ModelError, "can't be looked for"),
        ({"run": "RUN", "backbones": [LONG]}, ModelError, "is no open_clip model"),
        ({"run": "RUN", "backbones": [f"ViT-B-16:{LONG}"]}, ModelError, "can't be looked for"),
        ({"templates": "", "config": "demo"}, UserError, "a path is empty"),
        ({"run": "RUN", "backbones": ["ViT-B-16"]}, ModelError, "--backbone ViT-B-16: "),
        ({"run": "RUN", "backbones": ["ViT-B-16:"]}, ConfigError, "behind the colon belongs"),
        ({"run": "RUN", "backbones": ["Vit-Q"]}, ModelError, "is no open_clip model"),
        ({"run": "RUN", "backbones": ["./nowhere"]}, ModelError, "doesn't exist"),
        ({"run": "RUN", "backbones": [" "]}, ConfigError, "give a model"),
        ({"templates": "RUN", "config": "demo-llava"}, DataError, "another kind of VLM"),
    ],
)
def test_wrong_calls(run: Path, options: dict, error: type, said: str) -> None:
    named = {key: str(run) if value == "RUN" else value for key, value in options.items()}
    with pytest.raises(error) as raised:
        asked(**named)
    assert said in str(raised.value)


def test_other_images_or_another_vlm_are_not_taken_for_the_runs(run: Path, tiny: Path) -> None:
    shutil.rmtree(run / PREDICTIONS)
    with pytest.raises(ContractError, match=r"can't be evaluated .*glov eval .* --set vlm\.model"):
        asked(run=str(run), overrides=[f"vlm.model={tiny}"])


def test_a_run_without_a_score_has_nothing_to_evaluate(run: Path) -> None:
    (run / EVENTS).write_bytes((run / EVENTS).read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(JournalError, match="there is no best template: it has scored none yet"):
        asked(run=str(run))


def test_a_baseline_is_all_of_its_templates(tmp_path: Path, kept: Kept) -> None:
    run, given = tmp_path / "run", '["a {}.", "the {}.", "one {}.", "my {}."]'
    config = demo("steps=0", "search.kind=ds-temp", f"search.templates={given}")
    drive(LocalSession.create(config, run, kept=kept))
    found = asked(run=str(run)).evaluations[0].measurements
    assert [one.subject.name for one in found] == ["seed", "best", "all 4"]
    test = read_state(run).test("ensemble")
    assert (found[-1].subject.templates, found[-1].hits) == (test.templates, test.hits)
    assert all(one.was_kept for one in found)


def test_data_that_were_moved_and_a_run_that_another_may_have_written(
    tmp_path: Path, kept: Kept
) -> None:
    dataset = load_dataset(demo().data)
    for name in dataset.class_names:
        for split in ("train", "test"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            image = f"{split}/{name}/000.png"
            shutil.copy(dataset.root / image, tmp_path / "images" / image)
    run = tmp_path / "run"
    config = demo("steps=0", "data.dataset=image-folder", f"data.path={tmp_path / 'images'}")
    drive(LocalSession.create(config, run, kept=kept))
    (tmp_path / "images").rename(tmp_path / "moved")
    run.chmod(0o777)
    before = accuracies(asked(run=str(run)))  # all of it is kept: no image is needed, and no model
    shutil.rmtree(run / PREDICTIONS)
    with pytest.raises(UserError, match="may be what somebody else wrote: .*--trust-run"):
        asked(run=str(run))
    with pytest.raises(UserError, match="images"):
        asked(run=str(run), trusted=True)
    moved = [f"data.path={tmp_path / 'moved'}"]
    assert accuracies(asked(run=str(run), overrides=moved, trusted=True)) == before


def test_a_list_comes_through_a_pipe_too(run: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(OPENAI,), daemon=True)
    writer.start()
    found = asked(run=str(run), templates=str(pipe))
    assert list(accuracies(found)) == ["line 1", "line 2", "all 2"]
    writer.join(CEILING_SECONDS)


def test_templates_that_were_found_on_other_images_are_said(run: Path, tmp_path: Path) -> None:
    of_others = tmp_path / "of-others"
    drive(LocalSession.create(demo("data.dataset=demo-funfair", "search.kind=s-temp"), of_others))
    noted = "of-others found its templates on other images (funfair) than these are measured"
    assert noted in as_dict(asked(run=str(run), against=str(of_others)))["notes"]
    same = as_dict(asked(run=str(run), against=str(run)))["notes"]
    assert not [note for note in same if "found its templates" in note]


def test_a_list_that_was_cut_off_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_cache, "evaluations_folder", lambda: tmp_path / "kept")
    path = tmp_path / "list.txt"
    path.write_text("".join(f"a photo of a {{}}, number {n}.\n" for n in range(40)))

    def cut_off(what: str, done: int, total: int) -> None:
        if what == "scoring" and any((tmp_path / "kept").rglob("*.safetensors")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_asked(Asked(templates=str(path)), cut_off, pytest.fail)
    (again,) = asked(templates=str(path)).evaluations
    read = [one.was_kept for one in again.measurements]
    assert any(read) and not all(read) and read == sorted(read, reverse=True)
    (whole,) = asked(templates=str(path), overrides=["vlm.cache=false"]).evaluations
    assert not any(one.was_kept for one in whole.measurements)
    for one, other in zip(again.measurements, whole.measurements, strict=True):
        assert np.array_equal(one.predicted, other.predicted) and one.note == other.note
        assert np.array_equal(one.of_truth, other.of_truth)
    (other,) = asked(templates=str(path), split="train").evaluations
    assert not any(one.was_kept for one in other.measurements)  # of other images

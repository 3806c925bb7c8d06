"""The dual encoder as a whole: from image files and templates to scores."""

from __future__ import annotations

import random
import shutil

import open_clip
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from engine.common.cache_folder import cache_folder
from engine.common.errors import DataError, ModelError, UserError
from engine.data.images import read_image
from engine.vlm.feature_cache import FeatureCache
from engine.vlm.interface import Fitness, ScoringProgress
from engine.vlm.loading import load_fitness
from tests.support.small_models import build_model_folder

TEMPLATES = [
    "a photo of a <category>.",
    "<category>",
    "the <category> in a small red boat, a type of pet",
    "a picture of two <category> with one <category>",
    "of the <category>",
]


def quiet(*_):
    return None


def finish(generator):
    steps = []
    while True:
        try:
            steps.append(next(generator))
        except StopIteration as end:
            return end.value, steps


def scores(fitness, templates, split="train"):
    return finish(fitness.score(templates, split=split))[0]


@pytest.fixture
def fitness(run_config) -> Fitness:
    return load_fitness(run_config(), quiet, quiet)


def test_what_it_says_of_itself(fitness, model_folder):
    assert fitness.name == "clip"
    assert fitness.dataset_name == "shapes"
    assert fitness.dataset_description == ""
    assert fitness.class_names == ("cat", "dog", "pet", "red boat")
    assert (fitness.size("train"), fitness.size("test")) == (12, 28)


@pytest.mark.parametrize("model", ["clip", "bidirectional", "coca", "hf-text"])
def test_scores_are_those_of_open_clip_by_hand(run_config, model_folder, image_root, model):
    fitness = load_fitness(run_config(model), quiet, quiet)
    name = f"local-dir:{model_folder(model)}"
    clip, preprocess = open_clip.create_model_from_pretrained(name, precision="fp32")
    clip.eval()
    tokenizer = open_clip.get_tokenizer(name)
    folders = ["cat", "dog", "pet", "red_boat"]
    for template, score in zip(TEMPLATES, scores(fitness, TEMPLATES, "test"), strict=True):
        texts = [template.replace("<category>", c.replace("_", " ")) for c in folders]
        with torch.no_grad():
            text = clip.encode_text(tokenizer(texts), normalize=True)
            hits, likelihood, count = 0, 0.0, 0
            for label, folder in enumerate(folders):
                for path in sorted((image_root / "test" / folder).iterdir()):
                    image = clip.encode_image(preprocess(read_image(path))[None], normalize=True)
                    logits = clip.logit_scale.exp() * image @ text.T
                    if clip.logit_bias is not None:
                        logits = logits + clip.logit_bias
                    hits += int(logits.argmax()) == label
                    likelihood += float(logits.log_softmax(-1)[0, label])
                    count += 1
        assert (score.hits, score.n) == (hits, count)
        assert score.margin == pytest.approx(likelihood / count, abs=1e-4)
        assert sum(score.class_hits) == hits


def test_ensemble_is_open_clip_s_zero_shot_classifier(fitness, run_config, model_folder):
    clip, _ = open_clip.create_model_from_pretrained(f"local-dir:{model_folder('clip')}")
    clip.eval()
    classifier = open_clip.build_zero_shot_classifier(
        clip,
        open_clip.get_tokenizer(f"local-dir:{model_folder('clip')}"),
        list(fitness.class_names),
        [lambda c, t=t: t.replace("<category>", c) for t in TEMPLATES],
    )
    images = fitness._images["test"]
    logits = clip.logit_scale.exp() * images.features @ classifier
    expected = logits.log_softmax(-1).gather(1, images.labels[:, None]).mean().item()
    score, steps = finish(fitness.score_ensemble(TEMPLATES, split="test"))
    assert score.hits == int((logits.argmax(1) == images.labels).sum())
    assert score.margin == pytest.approx(expected, abs=1e-5)
    assert steps[-1] == ScoringProgress(20, 20)


def test_ensemble_of_one_is_the_template_and_repeats_count(fitness):
    (alone,) = scores(fitness, TEMPLATES[:1])
    assert finish(fitness.score_ensemble(TEMPLATES[:1], split="train"))[0] == alone
    twice = [TEMPLATES[0], TEMPLATES[0], TEMPLATES[1]]
    weighted = finish(fitness.score_ensemble(twice, split="train"))[0]
    plain = finish(fitness.score_ensemble(TEMPLATES[:2], split="train"))[0]
    assert weighted.margin != plain.margin
    with pytest.raises(ValueError, match="at least one"):
        finish(fitness.score_ensemble([], split="train"))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(TEMPLATES), max_size=8))
def test_a_score_is_bit_equal_alone_and_among_others(fitness, templates):
    alone = {template: scores(fitness, [template])[0] for template in set(templates)}
    assert scores(fitness, templates) == [alone[template] for template in templates]


def test_scoring_twice_is_bit_equal_also_after_loading_again(fitness, run_config):
    again = load_fitness(run_config(vlm={"cache": False}), quiet, quiet)
    assert scores(fitness, TEMPLATES) == scores(fitness, TEMPLATES) == scores(again, TEMPLATES)


def test_progress_goes_up_to_the_end_and_equal_templates_are_encoded_once(fitness):
    _, steps = finish(fitness.score([TEMPLATES[0], TEMPLATES[1], TEMPLATES[0]], split="train"))
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1] == ScoringProgress(8, 8)
    assert finish(fitness.score([], split="train")) == ([], [])


def test_a_scoring_that_is_closed_goes_on_where_it_was(fitness):
    expected = scores(fitness, TEMPLATES)
    encoded = []
    plain = fitness._texts.encode

    def counted(template, names):
        encoded.append(template)
        return plain(template, names)

    fitness._texts.encode = counted
    work = fitness.score(TEMPLATES, split="train")
    for _ in range(4):
        next(work)
    work.close()
    assert scores(fitness, TEMPLATES) == expected
    assert len(encoded) == len(TEMPLATES) + 1  # the one it was at is done again
    assert not fitness._unfinished


def test_templates_without_placeholder(fitness):
    with pytest.raises(UserError, match="'a photo' has no <category>"):
        scores(fitness, ["a photo"])


def test_sub_shot_keeps_all_classes_as_candidates(run_config):
    fitness = load_fitness(run_config(labelled_classes=2), quiet, quiet)
    assert len(fitness.class_names) == 4
    assert fitness.size("train") == 6
    (score,) = scores(fitness, TEMPLATES[:1])
    sizes = fitness.class_sizes("train")
    assert len(score.class_hits) == len(sizes) == 4
    assert sum(sizes) == 6 and sum(n > 0 for n in sizes) == 2
    assert all(hits <= n for hits, n in zip(score.class_hits, sizes, strict=True))
    assert fitness.size("test") == 28


def test_the_seed_draws_the_sample_and_not_the_test_set(run_config):
    first, same, other = (
        load_fitness(run_config(seed=seed, shots=2), quiet, quiet) for seed in (1, 1, 2)
    )
    assert torch.equal(first._images["train"].features, same._images["train"].features)
    assert not torch.equal(first._images["train"].features, other._images["train"].features)
    assert torch.equal(first._images["test"].features, other._images["test"].features)


def test_loading_reports_progress_and_uses_the_cache(run_config, monkeypatch):
    phases = []
    first = load_fitness(run_config(), lambda *step: phases.append(step), quiet)
    assert phases[:2] == [("data set", 0, 0), ("VLM", 0, 0)]
    assert ("train images", 12, 12) in phases
    assert ("test images", 28, 28) in phases
    assert len(list((cache_folder() / "features").iterdir())) == 2

    def no_reading(path):
        raise AssertionError(path)

    monkeypatch.setattr("engine.vlm.dual_encoder.image_features.read_image", no_reading)
    second = load_fitness(run_config(), quiet, quiet)
    assert scores(first, TEMPLATES, "test") == scores(second, TEMPLATES, "test")
    with pytest.raises(AssertionError):
        load_fitness(run_config("custom"), quiet, quiet)  # another model, other features


def test_a_retrained_model_in_the_same_folder_gets_new_features(run_config, tmp_path):
    folder = build_model_folder(tmp_path / "model", "clip", seed=1)
    first = load_fitness(run_config(vlm={"model": str(folder)}), quiet, quiet)
    shutil.rmtree(folder)
    build_model_folder(folder, "clip", seed=2)
    second = load_fitness(run_config(vlm={"model": str(folder)}), quiet, quiet)
    assert not torch.allclose(first._images["test"].features, second._images["test"].features)


def test_damaged_cache_files_are_computed_again(run_config):
    first = load_fitness(run_config(), quiet, quiet)
    for path in (cache_folder() / "features").iterdir():
        path.write_bytes(random.Random(0).randbytes(path.stat().st_size))
    again = load_fitness(run_config(), quiet, quiet)
    assert torch.equal(first._images["test"].features, again._images["test"].features)
    third = FeatureCache(cache_folder() / "features")
    assert all(third.load(p.stem, 12) or third.load(p.stem, 28) for p in third.folder.iterdir())


def test_cached_features_in_another_order_are_computed_again(run_config):
    before = scores(load_fitness(run_config(), quiet, quiet), TEMPLATES)
    entries = sorted((cache_folder() / "features").iterdir())
    for entry in entries:
        with safe_open(entry, framework="pt") as file:
            metadata, kept = file.metadata(), file.get_tensor("kept")
            features = file.get_tensor("features").flip(0).contiguous()
        save_file({"features": features, "kept": kept}, entry, metadata=metadata)
    said: list[str] = []
    assert scores(load_fitness(run_config(), quiet, said.append), TEMPLATES) == before
    assert len(said) == len(entries) > 0
    assert all("not what was kept there; computed anew" in line for line in said)
    assert scores(load_fitness(run_config(), quiet, said.append), TEMPLATES) == before
    assert len(said) == len(entries)


def test_a_picture_in_both_splits_is_left_out_of_training(run_config, image_root, tmp_path):
    root = shutil.copytree(image_root, tmp_path / "copies")
    clean = load_fitness(run_config(path=str(root), shots=4), quiet, quiet)
    for name in ("0", "3"):
        shutil.copy(root / "test" / "dog" / "5.png", root / "train" / "cat" / f"{name}.png")
    said: list[str] = []
    fitness = load_fitness(run_config(path=str(root), shots=4), quiet, said.append)
    assert (fitness.size("train"), fitness.size("test")) == (15, clean.size("test"))
    assert said[0].startswith("2 training images are in the test split too (2 under another class)")
    assert "train/cat/0.png is test/dog/5.png" in said[0]
    assert "fewer than data.shots = 4 training images of 'cat'" in said[1]


def test_a_class_with_nothing_but_test_images_is_refused_and_said_why(
    run_config, image_root, tmp_path
):
    root = shutil.copytree(image_root, tmp_path / "copies")
    shutil.rmtree(root / "train" / "cat")
    shutil.copytree(root / "test" / "cat", root / "train" / "cat")
    with pytest.raises(DataError, match=r"image of 'cat'.*7 training images are in the test"):
        load_fitness(run_config(path=str(root)), quiet, quiet)


def test_a_cache_that_cannot_be_written_is_reported_and_the_run_goes_on(run_config):
    cache_folder().parent.mkdir(exist_ok=True)
    cache_folder().write_text("a file where the folder should be")
    said = []
    fitness = load_fitness(run_config(), quiet, said.append)
    assert fitness.size("test") == 28
    assert any("can't be kept there" in message for message in said)


def test_unreadable_images_are_named_skipped_and_replaced(run_config, image_root, tmp_path):
    root = tmp_path / "broken"
    shutil.copytree(image_root, root)
    for name in ("train/cat/0.png", "train/cat/1.png", "test/dog/3.png"):
        (root / name).write_bytes((root / name).read_bytes()[:200])
    said = []
    config = run_config(path=str(root))
    for _ in range(2):  # computed, then from the cache: the same report
        said.clear()
        fitness = load_fitness(config, quiet, said.append)
        assert (fitness.size("train"), fitness.size("test")) == (12, 27)
        skipped = [message for message in said if "was skipped" in message]
        assert any("test/dog/3.png" in message for message in skipped)
        assert not any("fewer" in message for message in said)
    (root / "train/cat/2.png").write_bytes(b"")
    said.clear()
    assert load_fitness(config, quiet, said.append).size("train") == 11
    assert "fewer than data.shots = 3 training images of 'cat'" in said[-1]


def test_unreadable_images_whose_names_are_no_utf8(run_config, image_root, tmp_path):
    root = shutil.copytree(image_root, tmp_path / "bytes")
    try:
        (root / "test" / "dog" / "caf\udce9.png").write_bytes(b"no image")
    except OSError:
        pytest.skip("this file system allows Unicode names only")
    said: list[str] = []
    fitness = load_fitness(run_config(path=str(root)), quiet, said.append)
    assert fitness.size("test") == 28
    (line,) = said
    assert "caf\\xe9.png' was skipped: it is not an image" in line.encode().decode()


def test_many_unreadable_images_are_counted(run_config, image_root, tmp_path):
    root = tmp_path / "broken"
    shutil.copytree(image_root, root)
    for path in (root / "test").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no test image can be read"):
        load_fitness(run_config(path=str(root)), quiet, quiet)
    Image.new("RGB", (8, 8)).save(root / "test" / "cat" / "0.png")
    said = []
    assert load_fitness(run_config(path=str(root)), quiet, said.append).size("test") == 1
    assert said[-1] == "skipped, as they can't be read: 7 more images"


def test_a_class_without_readable_train_image_is_named(run_config, image_root, tmp_path):
    root = tmp_path / "broken"
    shutil.copytree(image_root, root)
    for path in (root / "train" / "red_boat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no readable training image of 'red boat'"):
        load_fitness(run_config(path=str(root)), quiet, quiet)


def test_image_batches_change_nothing_and_are_halved_on_out_of_memory(run_config, monkeypatch):
    whole = load_fitness(run_config(vlm={"cache": False}), quiet, quiet)
    plain = open_clip.CLIP.encode_image
    said = []

    def small_memory(self, image, normalize=False):
        if len(image) > 2:
            raise torch.OutOfMemoryError
        return plain(self, image, normalize)

    monkeypatch.setattr(open_clip.CLIP, "encode_image", small_memory)
    config = run_config(vlm={"cache": False, "image_batch": 9})
    pieces = load_fitness(config, quiet, said.append)
    worst = (whole._images["test"].features - pieces._images["test"].features).abs().max()
    assert worst < 1e-5
    assert "image batches of 4" in said[0]
    assert "image batches of 2" in said[1]
    monkeypatch.setattr(
        open_clip.CLIP,
        "encode_image",
        lambda *a, **k: (_ for _ in ()).throw(torch.OutOfMemoryError),
    )
    with pytest.raises(ModelError, match="for a single image"):
        load_fitness(config, quiet, quiet)


def test_an_image_feature_that_is_not_a_number_names_the_image(run_config, monkeypatch):
    plain = open_clip.CLIP.encode_image

    def broken(self, image, normalize=False):
        features = plain(self, image, normalize).clone()
        features[4] = torch.inf
        return features

    monkeypatch.setattr(open_clip.CLIP, "encode_image", broken)
    with pytest.raises(ModelError, match=r"shapes/train/dog/\d\.png.*not a number.*fp32"):
        load_fitness(run_config(), quiet, quiet)


def test_loading_can_be_given_up_from_the_progress_callback(run_config):
    class GivenUpError(Exception):
        pass

    def give_up(phase, done, total):
        if phase == "test images":
            raise GivenUpError

    with pytest.raises(GivenUpError):
        load_fitness(run_config(), give_up, quiet)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_as_on_the_cpu(run_config):
    on_cpu = load_fitness(run_config(), quiet, quiet)
    on_gpu = load_fitness(run_config(vlm={"device": "cuda", "precision": "fp32"}), quiet, quiet)
    for a, b in zip(
        scores(on_cpu, TEMPLATES, "test"), scores(on_gpu, TEMPLATES, "test"), strict=True
    ):
        assert abs(a.hits - b.hits) <= 1
        assert a.margin == pytest.approx(b.margin, abs=1e-2)
    half = load_fitness(run_config(vlm={"device": "cuda"}), quiet, quiet)
    assert half.cuts_texts
    assert scores(half, TEMPLATES) == [scores(half, [t])[0] for t in TEMPLATES]

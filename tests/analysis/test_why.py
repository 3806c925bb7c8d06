"""Two templates of a run on the images that both were shown, read from its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.analysis.image_predictions import LookedAt, look_at_images
from engine.analysis.paired import verdict
from engine.analysis.why import MOST_IMAGES, TakenFor, Why, why_better
from engine.common.bits import bits_to_text
from engine.common.kept import Kept
from engine.common.statistics import PairedHits
from engine.data.dataset import LabelledImage
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import read_journal, read_state
from engine.storage.prediction_keeper import PredictionKeeper
from engine.storage.predictions import ImageIndex
from engine.storage.run_folder import PREDICTIONS
from engine.vlm.predictions import NO_CLASS, ImagePredictions
from tests.support.sessions import loaded, scored
from tests.support.small_runs import demo, drive

SEED, BETTER = "a photo of a <category>.", "a drawing of a <category>."
OLD = (0, 0, 1, 1, NO_CLASS, 1, 1, 1, 0, 0)  # of five cups (0), then five bells (1): 5 hits
NEW = (0, 0, 0, 0, 1, 1, 1, 0, 1, 0)  # 7 hits


def made(classes: tuple[int, ...], rows: range | None = None) -> ImagePredictions:
    sure = np.linspace(0.6, 0.9, 10)
    found = np.stack([1 - sure, sure], axis=1)
    for row, number in enumerate(classes):
        if number == 0:
            found[row] = found[row, ::-1]
    whole = ImagePredictions.of(np.log(found), classes)
    return whole if rows is None else whole.of_rows(list(rows)).placed(list(rows), 10)


def run(folder: Path, *, n: int = 10, keeps: bool = True, races: bool = False) -> RunState:
    """A run with two templates; the better one was shown the first ``n`` images."""
    labels = [0] * 5 + [1] * 5
    begun, models, seed, tested = loaded()
    assert isinstance(seed, ev.TemplateScored)
    facts = []
    for event, classes, count in (
        (seed, OLD, 10),
        (scored(BETTER, 0, 1), NEW, n),
    ):
        right = [label == one for label, one in zip(labels, classes, strict=True)][:count]
        by_class = (sum(right[:5]), sum(right[5:]))
        score = {"hits": sum(right), "n": count, "class_hits": by_class}
        if races:
            score["right"] = bits_to_text(right)
        facts.append(event.model_copy(update=score))
    if keeps:
        images = tuple(LabelledImage(f"{row}.png", label) for row, label in enumerate(labels))
        keeper = PredictionKeeper(folder, 2**20, lambda said: pytest.fail(said))
        keeper.begin("train", ImageIndex(folder, images, 2, "0a"))
        keeper.keep("train", {SEED: made(OLD)})
        keeper.keep("train", {BETTER: made(NEW, None if n == 10 else range(n))})
    return RunState().apply_all([begun, models, facts[0], tested, facts[1]])


def why(folder: Path, state: RunState, first: str = BETTER, second: str = SEED) -> Why:
    one, other = (state.find(normalise(text)) for text in (first, second))
    assert one is not None and other is not None
    return why_better(folder, one, other, state)


def test_both_on_all_images(tmp_path: Path) -> None:
    found = why(tmp_path, run(tmp_path))
    assert found.hits == PairedHits(both=4, first=3, second=1, neither=2) and found.unknown is None
    assert found.p == pytest.approx(0.625)
    assert [(one.name, one.images, one.first, one.second) for one in found.changes] == [
        ("cup", 5, 4, 2)
    ]  # of bells both have three, though not the same
    assert found.taken == (
        TakenFor("cup", "cup", "bell", 2),
        TakenFor("bell", "bell", "cup", 1),
        TakenFor("bell", "cup", "bell", 1),
        TakenFor("cup", "bell", None, 1),
    )
    # Of each class the one on which they are furthest apart comes before its next one.
    assert [one.first.path for one in found.only_first] == ["8.png", "3.png", "2.png"]
    assert [one.first.path for one in found.only_second] == ["7.png"]
    (lost,) = found.only_second
    assert (lost.first.predicted, lost.second.predicted) == ("cup", "bell")


def test_the_other_way_round_it_is_the_mirror(tmp_path: Path) -> None:
    state = run(tmp_path)
    found, mirror = why(tmp_path, state), why(tmp_path, state, SEED, BETTER)
    assert mirror.hits == PairedHits(both=4, first=1, second=3, neither=2)
    assert mirror.p == found.p
    assert [one.second.path for one in mirror.only_second] == ["8.png", "3.png", "2.png"]
    assert [one.difference for one in mirror.changes] == [-one.difference for one in found.changes]


def test_only_what_both_were_shown_is_paired(tmp_path: Path) -> None:
    found = why(tmp_path, run(tmp_path, n=4))
    assert found.hits == PairedHits(both=2, first=2, second=0, neither=0)
    assert {one.first.path for one in found.only_first} == {"2.png", "3.png"}
    assert [one.images for one in found.changes] == [4]


def test_without_predictions_the_scores_say_what_they_can(tmp_path: Path) -> None:
    found = why(tmp_path, run(tmp_path, keeps=False))
    assert (
        found.unknown is not None and "deleted, or the run is of an earlier glov" in found.unknown
    )
    assert found.hits is None and found.p == 1.0 and not found.taken and not found.only_first
    assert [(one.name, one.first, one.second) for one in found.changes] == [("cup", 4, 2)]


def test_a_race_says_without_predictions_which_images_were_right(tmp_path: Path) -> None:
    found = why(tmp_path, run(tmp_path, n=4, keeps=False, races=True))
    assert found.hits == PairedHits(both=2, first=2, second=0, neither=0)
    assert found.unknown is not None and found.changes is None  # of which classes is not known
    found = why(tmp_path, run(tmp_path, keeps=False, races=True))
    assert found.hits == PairedHits(both=4, first=3, second=1, neither=2)


def test_at_an_earlier_step_of_a_race_it_rests_on_the_images_of_then(
    tmp_path: Path, kept: Kept
) -> None:
    """What is kept in the folder is of the end: the last race shows dropped ones more images."""
    ends = ("evaluation.every=0", "evaluation.select=top", "evaluation.ensemble=12")
    config = demo("data.shots=5", "search.racing=true", *ends)
    drive(LocalSession.create(config, tmp_path, kept=kept))
    facts = list(read_journal(tmp_path).events)
    last = {fact.template: fact for fact in facts if isinstance(fact, ev.TemplateScored)}
    then, grown = RunState(), []
    for fact in facts:
        then = then.apply(fact)
        if fact.kind == "step-finished":
            grown = [t for t in then.ranking if last[t.text].n > t.n]
        if grown:
            break
    assert grown and then.best is not None
    for template in grown:
        found = why_better(tmp_path, template, then.best, then)
        assert found.hits is not None and found.unknown is None
        assert found.hits.n == template.n
        assert found.hits.both + found.hits.first == template.hits
        looked = look_at_images(tmp_path, template, then)
        assert isinstance(looked, LookedAt)
        assert (looked.n, looked.right) == (template.n, template.hits)
        assert sum(one.count for one in looked.confusions) == template.n - template.hits


def made_of(labels: list[int], *both: list[int], folder: Path) -> Why:
    """Two templates that took images of these classes for these, through a run's folder."""
    begun, models, seed, tested = loaded()
    assert isinstance(models, ev.ModelsLoaded) and isinstance(seed, ev.TemplateScored)
    sizes = tuple(labels.count(k) for k in (0, 1))
    counts = {"class_sizes": sizes, "train_size": len(labels)}
    facts: list[ev.Event] = [begun, models.model_copy(update=counts)]
    images = tuple(LabelledImage(f"{row}.png", label) for row, label in enumerate(labels))
    keeper = PredictionKeeper(folder, 2**20, lambda said: pytest.fail(said))
    keeper.begin("train", ImageIndex(folder, images, 2, "0a"))
    for event, classes in zip((seed, scored(BETTER, 0, 1)), both, strict=True):
        right = [a == b for a, b in zip(labels, classes, strict=True)]
        by_class = tuple(
            sum(r for r, k in zip(right, labels, strict=True) if k == c) for c in (0, 1)
        )
        score = {"hits": sum(right), "n": len(labels), "class_hits": by_class}
        facts.append(event.model_copy(update=score))
        shares = [[0.9, 0.1] if k == 0 else [0.2, 0.8] for k in classes]
        keeper.keep("train", {event.template: ImagePredictions.of(np.log(shares), classes)})
    return why(folder, RunState().apply_all([*facts, tested]))


def test_one_image_one_class_and_no_difference(tmp_path: Path) -> None:
    one = made_of([0], [1], [0], folder=tmp_path / "one")
    assert one.hits == PairedHits(both=0, first=1, second=0, neither=0) and one.p == 1.0
    assert -1.0 <= one.hits.interval[0] < 1.0 and one.hits.interval[1] == 1.0
    same = made_of([1, 1], [1, 0], [1, 0], folder=tmp_path / "same")
    assert same.hits == PairedHits(both=1, first=0, second=0, neither=1) and same.p == 1.0
    assert not (same.changes or same.taken or same.only_first or same.only_second)
    tied = made_of([1, 1], [1, 0], [0, 1], folder=tmp_path / "tied")
    assert tied.hits == PairedHits(both=0, first=1, second=1, neither=0) and tied.p == 1.0
    assert tied.changes == () and len(tied.taken) == 2


def test_of_a_real_run(undisturbed: Path) -> None:
    state = read_state(undisturbed)
    best, *_, worst = state.ranking
    found = why_better(undisturbed, best, worst, state)
    assert found.hits is not None and found.unknown is None and found.unseen is None
    assert found.hits.both + found.hits.first == best.hits and found.hits.n == best.n
    assert found.hits.both + found.hits.second == worst.hits
    gained = sum(one.first - one.second for one in found.changes)
    assert gained == best.hits - worst.hits
    assert len(found.only_first) == min(MOST_IMAGES, found.hits.first)
    assert all(one.first.is_right and not one.second.is_right for one in found.only_first)
    assert all(one.first.file is not None for one in found.only_first)


def test_a_run_that_keeps_none_says_so(tmp_path: Path, undisturbed: Path) -> None:
    state = read_state(undisturbed)
    assert not (tmp_path / PREDICTIONS).exists()
    found = why_better(tmp_path, state.ranking[0], state.ranking[1], state)
    assert found.unknown is not None


@pytest.mark.parametrize(
    ("hits", "said"),
    [
        (PairedHits(6, 3, 1, 10), "A and B can't be told apart on 20 images."),
        (PairedHits(6, 9, 1, 4), "A is better than B on these 20 images, by more than"),
        (PairedHits(6, 1, 9, 4), "B is better than A on these 20 images, by more than"),
        (PairedHits(6, 0, 0, 14), "A and B are right on the same of these 20 images."),
    ],
)
def test_the_verdict_in_words(hits: PairedHits, said: str) -> None:
    assert verdict(hits, hits.p, "A", "B").startswith(said)

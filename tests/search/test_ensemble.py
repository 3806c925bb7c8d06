"""Which templates are ensembled: greedily by what they made of the training images, or the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.edits import BanTemplate
from engine.run.state import RunState
from engine.search import ensemble
from engine.search.ensemble import greedy, true_class_probability
from engine.search.strategy import Search
from engine.session.local import LocalSession
from engine.storage.journal import read_journal, read_state
from engine.storage.run_folder import PREDICTIONS
from engine.vlm.predictions import ImagePredictions
from tests.support.generators import finished
from tests.support.small_runs import demo, drive
from tests.support.steps import begin, run

EASY = (0.9, 0.05, 0.05)


def pool_of(search: Search, state: RunState) -> ensemble.Pool:
    images, classes = search.fitness.size("train"), len(search.fitness.class_names)
    return ensemble.ensemble_pool(state, search.config, images, classes)


def made(*rows: tuple[float, ...], named: bool = True) -> ImagePredictions:
    """Of each image the probabilities of the classes."""
    found = np.log(np.array(rows))
    return ImagePredictions.of(found, found.argmax(-1) if named else [-1] * len(rows))


def chosen(candidates: list[ImagePredictions], labels: list[int], count: int = 3) -> list[int]:
    return list(finished(greedy(candidates, np.array(labels), count)))


def test_what_is_wrong_elsewhere_is_chosen_before_what_is_as_good_alone() -> None:
    first = made(EASY, (0.3, 0.6, 0.1), (0.1, 0.1, 0.8))
    copy = made(EASY, (0.3, 0.6, 0.1), (0.1, 0.1, 0.8))
    other = made((0.4, 0.5, 0.1), (0.9, 0.05, 0.05), (0.2, 0.2, 0.6))
    members = chosen([first, copy, other], [0, 0, 2], 2)
    assert members == [0, 2]
    assert chosen([first, copy, other], [0, 1, 2]) == [0, 0, 0]  # nothing helps it


def test_of_equally_good_ones_the_first_is_taken_and_a_template_may_be_added_again() -> None:
    assert chosen([made(EASY), made(EASY)], [0]) == [0, 0, 0]
    assert chosen([made((0.5, 0.4, 0.1)), made(EASY)], [0]) == [1, 1, 1]
    assert chosen([made(EASY)], [0], 2) == [0, 0]


def test_an_answer_that_names_no_class_is_wrong_whatever_stands_beside_it() -> None:
    silent = made((0.98, 0.01, 0.01), named=False)
    assert chosen([silent, made((0.4, 0.3, 0.3))], [0], 1) == [1]
    assert true_class_probability([silent], np.array([0])) == 0
    assert true_class_probability([silent, made((0.4, 0.3, 0.3))], np.array([0])) > 0


def test_the_mean_of_log_probabilities_is_that_of_logits() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, 4, 3)) * 3
    labels = np.array([0, 1, 2, 0])
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    members = [ImagePredictions.of(one, one.argmax(-1)) for one in logs]
    mean = logits.mean(0)
    softmax = np.exp(mean) / np.exp(mean).sum(-1, keepdims=True)
    expected = softmax[np.arange(4), labels].mean()
    assert true_class_probability(members, labels) == pytest.approx(expected, abs=2e-3)


def test_a_class_that_is_out_of_the_question_overflows_nothing() -> None:
    never = ImagePredictions.of([[-1e9, 0.0]], [1])
    assert true_class_probability([never], np.array([0])) == 0
    assert chosen([never, ImagePredictions.of([[-0.1, -2.4]], [0])], [0], 1) == [1]


@st.composite
def _cases(draw: st.DrawFn) -> tuple[list[ImagePredictions], list[int], int]:
    images, classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    number = st.floats(-20, 0, allow_nan=False)
    row = st.lists(number, min_size=classes, max_size=classes)
    split = st.lists(row, min_size=images, max_size=images)
    candidates = []
    for logits in draw(st.lists(split, min_size=1, max_size=6)):
        found = np.array(logits)
        found -= np.log(np.exp(found).sum(-1, keepdims=True))
        named = draw(st.lists(st.booleans(), min_size=images, max_size=images))
        candidates.append(ImagePredictions.of(found, np.where(named, found.argmax(-1), -1)))
    label = st.integers(0, classes - 1)
    labels = draw(st.lists(label, min_size=images, max_size=images))
    return candidates, labels, draw(st.integers(1, 4))


@given(_cases())
def test_it_is_never_worse_than_its_first_and_no_other_would_have_helped_more(case) -> None:
    candidates, labels, count = case
    members = chosen(candidates, labels, count)
    assert len(members) == count

    def worth(*some: int) -> float:
        return true_class_probability([candidates[i] for i in some], np.array(labels))

    values = [worth(*members[: n + 1]) for n in range(count)]
    assert values[-1] >= values[0] - 1e-9
    differ = len(set(members)) > 1  # or it may be the first one for want of a better
    for n, value in enumerate(values if differ else values[:1]):
        others = [worth(*members[:n], i) for i in range(len(candidates))]
        assert value >= max(others) - 1e-9
        assert all(other < value + 1e-12 for other in others[: members[n]])  # ties: the first


# -- in a run ------------------------------------------------------------------------------


def test_the_ensemble_is_measured_as_it_was_chosen(demo_models) -> None:
    search = demo_models("seed=1", "data.shots=1")
    state, _ = run(search, 4)
    measured = state.test("ensemble")
    assert measured.selection == "greedy" and len(measured.templates) == 3
    labels = np.array([image.label for image in search.fitness.images("train")])
    best_first = [t.text for t in state.contenders]
    known = {text: search.fitness.predictions(text, "train") for text in best_first}
    members = finished(greedy([known[text] for text in best_first], labels, 3))
    assert measured.templates == tuple(best_first[index] for index in members)
    alone = true_class_probability([known[measured.templates[0]]], labels)
    together = true_class_probability([known[text] for text in measured.templates], labels)
    top = true_class_probability([known[text] for text in best_first[:3]], labels)
    assert together >= max(alone, top) - 1e-12
    score = finished(search.fitness.score_ensemble(measured.templates, split="test"))
    assert (measured.hits, measured.n) == (score.hits, score.n)


def test_top_is_the_best_by_themselves(demo_models) -> None:
    state, _ = run(demo_models("seed=1", "data.shots=1", "evaluation.select=top"), 2)
    measured = state.test("ensemble")
    assert measured.templates == tuple(t.text for t in state.ranking[:3])
    assert measured.selection == "top"


def test_only_the_best_that_there_is_room_for_are_chosen_from(demo_models, monkeypatch) -> None:
    search = demo_models("seed=1", "data.shots=1")
    state, _ = run(search, 2)
    whole = pool_of(search, state)
    assert len(whole.templates) == len(state.contenders) > 5
    monkeypatch.setattr(ensemble, "MOST_CANDIDATES", 5)
    five = pool_of(search, state)
    assert five.templates == whole.templates[:5]
    monkeypatch.setattr(ensemble, "ROOM", 1)
    assert pool_of(search, state).templates == whole.templates[:3]


def test_banned_and_half_seen_templates_are_not_chosen_from(demo_models) -> None:
    search = demo_models("seed=3", "data.shots=5", "search.racing=true")
    state = begin(search)
    for part in (search.begin, search.step, search.step):
        for event in part(state):
            state = state.apply_all(event if isinstance(event, tuple) else (event,))
    assert any(state.is_partial(t) for t in state.templates)
    banned = state.best
    edit = BanTemplate(key=banned.key, banned=True)
    state = state.apply(ev.Edited(number=1, step=state.next_step, edit=edit)).with_pending()
    pool = pool_of(search, state)
    assert pool.templates == tuple(t.text for t in state.contenders)
    assert banned.text not in pool.templates


def test_without_room_for_predictions_the_best_are_taken_and_it_is_said(
    demo_models, monkeypatch
) -> None:
    search = demo_models("seed=1", "data.shots=1")
    monkeypatch.setattr(search.fitness.kept, "_room", 1)
    monkeypatch.setattr(search.fitness.kept, "_held", {})
    state, facts = run(search, 1)
    measured = state.test("ensemble")
    assert measured.templates == tuple(t.text for t in state.ranking[:3])
    assert measured.selection == "top"
    (said,) = [e.message for e in facts if isinstance(e, ev.Warned)]
    assert "more than can be kept" in said and "evaluation.select = top" in said


@pytest.mark.parametrize("lost", ["deleted", "never kept"])
def test_a_run_that_is_taken_up_without_predictions_chooses_the_same(
    run_folder: Path, tmp_path: Path, undisturbed: Path, kept, lost: str
) -> None:
    whole = read_state(undisturbed).test("ensemble")
    assert whole.selection == "greedy"
    overrides = ["vlm.predictions_mib=0"] if lost == "never kept" else []
    journal = LocalSession.create(demo(*overrides), run_folder, kept=kept)
    before: list[str] = []

    def stop_at_the_end(event: ev.Event, _state) -> None:
        from engine.run.commands import Stop

        if isinstance(event, ev.FinishStarted):
            before.append(event.kind)
            journal.send(Stop())

    journal._publisher.on_event = stop_at_the_end
    assert drive(journal).status == "stopped" and before
    if lost == "deleted":
        for path in (run_folder / PREDICTIONS).iterdir():
            path.unlink()
    session = LocalSession.resume(run_folder, kept=kept)
    state = drive(session)
    assert state.status == "finished"
    assert state.test("ensemble").comparable() == whole.comparable()
    said = [e.message for e in read_journal(run_folder).events if isinstance(e, ev.Warned)]
    assert len([text for text in said if "scored again" in text]) == 1
    scored = [e for e in read_journal(run_folder).events if isinstance(e, ev.TemplateScored)]
    assert len({e.template for e in scored}) == len(scored)  # no template has a second score


def test_the_papers_presets_take_the_best() -> None:
    for preset in ("clip-paper", "llava-paper"):
        config = load_config(preset, ["data.path=x"])
        assert (config.evaluation.select, config.evaluation.ensemble) == ("top", 3)
    assert load_config("demo", []).evaluation.select == "greedy"

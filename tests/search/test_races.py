"""Races on the demo's models: what is dropped, what is shown of it, and what a person changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.bits import text_to_bits
from engine.common.kept import Kept
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import BanTemplate, ChooseAnchors, PinTemplate
from engine.run.emitting import one_by_one
from engine.run.ranking import ScoredTemplate
from engine.run.result import summarise
from engine.run.state import RunState
from engine.search.racing import ERROR, is_surely_worse, race_sizes
from engine.search.strategy import Search
from engine.session.local import LocalSession
from engine.session.taking_up import take_up
from engine.storage.check import check_run
from engine.storage.fork import write_fork
from engine.storage.journal import Journal, read_state
from engine.storage.run_folder import EVENTS
from tests.support.cut_journals import appends, cut, kinds
from tests.support.small_runs import demo, drive, outcome
from tests.support.steps import begin, of, run

RACING = ("search.racing=true", "seed=3", "data.shots=5")


def bits(template: ScoredTemplate) -> tuple[bool, ...]:
    return text_to_bits(template.right, template.n)


def go(search: Search, *parts: str, state: RunState | None = None) -> RunState:
    state = state or begin(search)
    for name in parts:
        for event in one_by_one(getattr(search, name)(state)):
            state = state.apply(event)
    return state


def edited(state: RunState, *edits) -> RunState:
    for edit in edits:
        number, step = state.edits_made + 1, state.next_step
        state = state.apply(ev.Edited(number=number, step=step, edit=edit))
    return state


@pytest.fixture(scope="module")
def raced(demo_models) -> tuple[RunState, list[ev.Event]]:
    return run(demo_models(*RACING), 4)


def test_most_templates_are_dropped_and_none_that_may_be_as_good_as_the_best(raced) -> None:
    state, facts = raced
    size = state.models.train_size
    sizes = race_sizes(size)
    partial = [t for t in state.templates if state.is_partial(t)]
    assert partial and {t.n for t in partial} <= set(sizes[:-1])
    images, of_all = state.images_scored
    assert images == sum(t.n for t in state.templates) < of_all == size * len(state.templates)
    seen = RunState().apply(facts[0])
    error = ERROR / (len(sizes) - 1)
    rival: ScoredTemplate | None = None
    dropped = 0
    for event in facts:
        if isinstance(event, ev.StepStarted):
            rival = seen.best
        if (
            isinstance(event, ev.TemplateScored)
            and event.origin == "llm"
            and not seen.find(normalise(event.template))
        ):
            right = text_to_bits(event.right, event.n)
            looks = [n for n in sizes[:-1] if n <= event.n]
            worse = [is_surely_worse(right[:n], bits(rival), error) for n in looks]
            assert not any(worse[:-1])
            assert worse[-1] == (event.n < size)
            dropped += event.n < size
        seen = seen.apply(event)
    assert dropped


def test_only_what_has_seen_all_is_best_p_plus_or_in_the_ensemble(raced) -> None:
    state, facts = raced
    for event in of(facts, ev.AnchorsMoved):
        assert not state.is_partial(state.find(event.positive))
    for test in state.tests:
        assert not any(state.is_partial(state.find(normalise(text))) for text in test.templates)
    result = summarise(state)
    assert result["best"]["train_images"] == state.models.train_size
    images, of_all = state.images_scored
    assert result["images"] == {"scored": images, "without_racing": of_all}
    assert f"scored on {images:,} of {of_all:,} images" in state.log[-1].text


def test_scores_on_all_images_are_those_without_a_race(demo_models, raced) -> None:
    state, _ = raced
    fitness = demo_models(*RACING).fitness
    whole = [t for t in state.templates if not state.is_partial(t)]
    work = fitness.score([t.text for t in whole], split="train")
    try:
        while True:
            next(work)
    except StopIteration as end:
        scores = end.value
    for t, score in zip(whole, scores, strict=True):
        assert (t.hits, t.n, t.class_hits) == (score.hits, score.n, score.class_hits)
        assert t.margin == pytest.approx(score.margin, abs=1e-5)


def test_without_racing_all_is_as_it_was(demo_models) -> None:
    state, facts = run(demo_models("seed=3"), 1)
    assert not any(t.right for t in of(facts, ev.TemplateScored))
    assert state.images_scored[0] == state.images_scored[1]
    assert not any("images" in line.text for line in state.log[1:] if "step 1" in line.text)


@pytest.mark.parametrize("kind", ["random", "llm-opt"])
def test_other_searches_race_too(demo_models, kind: str) -> None:
    state, _ = run(demo_models(*RACING, f"search.kind={kind}"), 2)
    assert state.status == "finished"
    assert state.images_scored[0] < state.images_scored[1]


def test_a_pin_completes_the_score_when_the_next_step_begins(demo_models) -> None:
    search = demo_models(*RACING)
    state = go(search, "begin", "step", "step")
    low = next(t for t in reversed(state.ranking) if state.is_partial(t))
    other = next(t for t in state.ranking if state.is_partial(t) and t != low)
    hold = ChooseAnchors(positive=state.best.key, negative=other.key)
    state = edited(state, PinTemplate(key=low.key, pinned=True), hold)
    assert state.is_partial(state.find(low.key))
    state = go(search, "step", state=state)
    for before in (low, other):
        after = state.find(before.key)
        assert after.n == state.models.train_size and after.first == before.first
        assert bits(after)[: before.n] == bits(before)
    assert low.key in state.prompt.best


def test_where_bans_leave_too_few_the_surest_get_their_scores_at_the_end(demo_models) -> None:
    search = demo_models(*RACING, "evaluation.select=top")
    state = go(search, "begin", "step", "step")
    bans = [BanTemplate(key=t.key, banned=True) for t in state.contenders]
    assert any(state.is_partial(t) for t in state.templates)
    state = edited(state, *bans)
    state = go(search, "finish", state=state)
    assert state.status == "finished"
    ensemble = state.test("ensemble").templates
    assert len(ensemble) == 3
    chosen = [state.find(normalise(text)) for text in ensemble]
    assert not any(state.is_partial(t) or t.key in state.banned for t in chosen)
    assert state.test("best").templates == ensemble[:1] == (state.best.text,)


def test_a_persons_template_is_scored_on_all_images(demo_models) -> None:
    search = demo_models(*RACING)
    state = go(search, "begin", "step")
    injected = ev.TemplateInjected(step=1, template="not at all a <category>")
    state = state.apply(injected)
    for event in one_by_one(search.score_injected(state, injected)):
        state = state.apply(event)
    found = state.find(normalise(injected.template))
    assert found.n == state.models.train_size == len(bits(found))


def test_the_examples_are_shown_from_low_to_high(demo_models, raced) -> None:
    state, _ = raced
    content = demo_models(*RACING).messages(state)[-1]["content"]
    shown = [f"{100 * t.accuracy:.1f}" for t in state.templates if t.text in content]
    assert shown  # their accuracies, and nothing of how many images
    assert f"/{state.models.train_size}" not in content


# -- on disk -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Path:
    made = tmp_path_factory.mktemp("races") / "raced"
    state = drive(LocalSession.create(demo(*RACING), made, kept=kept))
    assert state.status == "finished", state.error
    assert any(state.is_partial(t) for t in state.templates)
    return made


def test_a_race_that_is_cut_off_anywhere_ends_the_same(
    folder: Path, tmp_path: Path, kept: Kept
) -> None:
    whole = [kinds(append) for append in appends(folder)]
    scored = [i for i, append in enumerate(whole, 1) if "template-scored" in append]
    for place in [*scored[2::7], len(whole) - 1]:
        again = cut(folder, place, tmp_path / f"cut-{place}")
        drive(LocalSession.resume(again, kept=kept))
        assert outcome(again) == outcome(folder), f"cut behind {whole[place - 1]}"


def test_a_resume_knows_which_images_were_right(folder: Path, tmp_path: Path) -> None:
    copy = cut(folder, len(appends(folder)) - 1, tmp_path / "copy")
    state = read_state(copy)
    journal = Journal(copy)
    taken = take_up(journal, trusted=True)
    journal.abandon()
    assert {text: (s.n, s.right) for text, s in taken.scores.items()} == {
        t.text: (t.n, bits(t)) for t in state.templates
    }


def test_a_fork_goes_on_as_its_parent_did(folder: Path, tmp_path: Path, kept: Kept) -> None:
    parent = read_state(folder)
    write_fork(folder, 2, tmp_path / "same")
    same = drive(LocalSession.resume(tmp_path / "same", kept=kept))
    assert same.ranking == parent.ranking and same.anchors == parent.anchors
    write_fork(folder, 3, tmp_path / "more", ["steps=4"])
    before = read_state(tmp_path / "more")
    unfinished = cut(folder, len(appends(folder)) - 1, tmp_path / "unfinished")
    assert before.ranking == read_state(unfinished).ranking  # the last race is the end's


def test_a_check_finds_it_sound_and_other_bits_damaged(folder: Path, tmp_path: Path) -> None:
    assert check_run(folder).sound
    line = next(x for x in (folder / EVENTS).read_text().splitlines() if '"right":"' in x)
    event = ev.parse_event(line.split(',"crc"')[0] + "}")
    with pytest.raises(ValueError, match="right has other hits"):
        ev.TemplateScored.model_validate(event.model_dump() | {"hits": event.hits + 1})

"""Scores that rest on different numbers of examples: their order, the anchors, and their fold."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.common.intervals import wilson_interval
from engine.config import RunConfig
from engine.run import events as ev
from engine.run.ranking import (
    Proposal,
    ScoredTemplate,
    anchors_after,
    best_and_worst,
    find_anchors,
    ranked,
)
from engine.run.result import summarise
from engine.run.state import RunState
from engine.run.step_facts import Tally, anchors_moved, step_finished
from engine.session.taking_up import take_up
from engine.storage.journal import Journal, fold_journal, read_journal
from tests.support.written_runs import TRAIN_IMAGES, write_run

SEED = "a photo of a <category>"
GOOD, BAD = "a good <category>", "a bad <category>"


def template(
    key: str, hits: int, n: int, margin: float = -1.0, step: int = 1, origin: ev.Origin = "llm"
) -> ScoredTemplate:
    return ScoredTemplate(key, key, origin, Proposal(step, 1, 0), hits, n, margin, ())


def todays(templates: list[ScoredTemplate]) -> list[ScoredTemplate]:
    """The order before scores knew their n, written out."""
    return sorted(
        templates, key=lambda t: (-t.accuracy, -t.margin, t.first.step, t.origin == "llm")
    )


@st.composite
def drawn(draw: st.DrawFn, n: st.SearchStrategy[int]) -> list[ScoredTemplate]:
    found = []
    for number in range(draw(st.integers(0, 25))):
        images = draw(n)
        found.append(
            template(
                f"t{number}",
                draw(st.integers(0, images)),
                images,
                draw(st.sampled_from([-2.0, -1.0])),
                draw(st.integers(0, 3)),
                draw(st.sampled_from(["llm", "human"])),
            )
        )
    return found


any_n = drawn(st.integers(1, 60))
equal_n = st.integers(1, 2000).flatmap(lambda n: drawn(st.just(n)))


# -- the order ---------------------------------------------------------------------------------


@given(equal_n, st.integers(1, 6))
def test_with_equally_many_examples_all_is_as_it_was(templates, k) -> None:
    ranking = ranked(templates)
    assert ranking == todays(templates)
    n_best = min(k, (len(ranking) + 1) // 2)
    best, worst = best_and_worst(ranking, k)
    assert best == ranking[:n_best][::-1]
    assert worst == ranking[n_best:][::-1][:k]
    below = [t for t in ranking if t.accuracy < ranking[0].accuracy]
    assert find_anchors(ranking) == ((ranking[0], below[0]) if below else None)


@given(any_n, st.randoms(use_true_random=False))
def test_the_order_is_total(templates, random) -> None:
    """Whatever the order they come in, but for those that tie in everything."""
    shuffled = random.sample(templates, len(templates))
    keys = [
        [(t.at_least, t.margin, t.first.step, t.origin) for t in ranked(some)]
        for some in (templates, shuffled)
    ]
    assert keys[0] == keys[1]
    assert all(a.at_least >= b.at_least for a, b in pairwise(ranked(templates)))


@given(any_n, st.integers(0, 60))
def test_a_part_of_a_ranking_is_ranked_alike(templates, until) -> None:
    some = templates[:until]
    assert ranked(some) == [t for t in ranked(templates) if t in some]


@given(st.integers(1, 10**9), st.data())
def test_more_hits_of_as_many_are_always_better(n, data) -> None:
    """Also by the rounded ends of the interval, which the order goes by."""
    hits = data.draw(st.integers(0, n - 1))
    (low, high), (more_low, more_high) = (wilson_interval(h, n) for h in (hits, hits + 1))
    assert low < more_low and high < more_high
    fewer, more = template("fewer", hits, n), template("more", hits + 1, n, margin=-9.0)
    assert ranked([fewer, more]) == [more, fewer]
    assert find_anchors([more, fewer]) == (more, fewer)


@given(any_n, st.integers(1, 6))
def test_best_are_good_at_least_and_worst_bad_at_most(templates, k) -> None:
    ranking = ranked(templates)
    best, worst = best_and_worst(ranking, k)
    assert not {t.key for t in best} & {t.key for t in worst}
    others = [t for t in templates if t not in best]
    assert all(b.at_least >= t.at_least for b in best for t in others)
    assert all(w.at_most <= t.at_most for w in worst for t in others if t not in worst)
    assert [t.at_least for t in best] == sorted(t.at_least for t in best)
    assert [t.at_most for t in worst] == sorted(t.at_most for t in worst)


def test_a_lucky_few_are_neither_best_nor_worst() -> None:
    lucky, sure, unlucky = template("3/3", 3, 3), template("80/100", 80, 100), template("0/1", 0, 1)
    low = template("20/100", 20, 100)
    ranking = ranked([lucky, sure, unlucky, low])
    assert [t.key for t in ranking] == ["80/100", "3/3", "20/100", "0/1"]
    assert find_anchors(ranking) == (sure, lucky)
    assert best_and_worst(ranking, 1) == ([sure], [low])  # 0 of 1 may be anything


def test_a_score_of_a_few_moves_no_anchor_without_reason() -> None:
    seed = template(SEED, 60, 100, step=0, origin="seed")
    lucky = template("lucky", 3, 3)
    assert anchors_after(ranked([seed, lucky]), seed) is None
    sure = template("sure", 97, 100)
    assert anchors_after(ranked([seed, lucky, sure]), seed) == ("sure", SEED)


# -- the fold ----------------------------------------------------------------------------------


def scored(
    text: str, hits: int, n: int, step: int = 1, origin: ev.Origin = "llm", margin: float = -1.0
) -> ev.TemplateScored:
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=0,
        template=text,
        origin=origin,
        hits=hits,
        n=n,
        margin=margin,
        class_hits=(),
    )


CONFIG = RunConfig.model_validate({"data": {"path": "/images"}})
BEGUN = RunState().apply_all(
    [
        ev.RunStarted(run="r", config=CONFIG.model_dump(mode="json"), versions={}),
        scored(SEED, 60, 100, 0, "seed"),
    ]
)


def score(state: RunState, text: str) -> tuple[int, int]:
    found = state.find(text)
    assert found is not None
    return found.hits, found.n


def test_more_examples_replace_a_score_and_fewer_or_as_many_do_not() -> None:
    state = BEGUN.apply(scored(GOOD, 3, 3))
    again = state.apply(scored(GOOD, 70, 100, step=2, margin=-0.5))
    found = again.find(GOOD)
    assert found is not None and (found.hits, found.n, found.margin) == (70, 100, -0.5)
    assert found.first == Proposal(1, 1, 0) and len(again.templates) == 2
    for late in (scored(GOOD, 99, 100, step=3), scored(GOOD, 50, 50, step=3)):
        assert again.apply(late).ranking == again.ranking
        assert again.apply(late).log == again.log
    assert score(state, GOOD) == (3, 3)  # a state stays what it was
    assert [t.key for t in state.ranking] == [SEED, GOOD]
    assert [t.key for t in again.ranking] == [GOOD, SEED]
    assert again.scored.scores > state.scored.scores  # screens draw it anew


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 50), st.floats(0, 1)), min_size=1, max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_scores_again_does_not_matter(drawn_scores, random) -> None:
    first = [scored(f"t{number} <category>", 1, 2) for number in range(6)]
    by_n = {(number, n): round(share * n) for number, n, share in drawn_scores}
    again = [
        scored(f"t{number} <category>", hits, n, step=2, margin=-n)
        for (number, n), hits in by_n.items()
    ]
    one = BEGUN.apply_all([*first, *again])
    other = BEGUN.apply_all([*first, *random.sample(again, len(again))])
    assert one.templates == other.templates and one.ranking == other.ranking
    for number, known in enumerate(one.templates[1:]):
        most = max([2, *(n for of, n in by_n if of == number)])
        assert known.n == most


def test_a_seed_that_is_scored_again_says_so() -> None:
    state = BEGUN.apply(scored(SEED, 120, 200, 1, "seed"))
    assert state.seed is not None and state.seed.n == 200
    assert state.log[-1].text == f"seed template: 60.0% (scored again, on 200 images) {SEED}"
    assert len(state.log) == len(BEGUN.log) + 1


def test_anchors_move_on_what_is_known_of_both() -> None:
    """A lucky subset waits; a score of all moves them; so does a P+ that sinks below its P-."""
    lucky = BEGUN.apply(scored(GOOD, 3, 3))
    assert anchors_moved(lucky, 1) == ()
    state = lucky.apply(scored(GOOD, 80, 100))
    (moved,) = anchors_moved(state, 1)
    assert (moved.positive, moved.negative) == (GOOD, SEED)
    state = state.apply(moved)
    assert anchors_moved(state, 2) == ()
    sunk = state.apply(scored(GOOD, 100, 200)).apply(scored(BAD, 30, 100))
    (moved,) = anchors_moved(sunk, 2)
    assert (moved.positive, moved.negative) == (SEED, GOOD)
    held = replace(sunk, anchors_held=True)
    assert anchors_moved(held, 2) == ()


def test_the_best_of_a_step_and_of_the_run_are_the_surest() -> None:
    state = BEGUN.apply_all([scored(GOOD, 70, 100), scored(BAD, 4, 4)])
    finished = step_finished(state, 1, 1, Tally(new=2), ev.StepTimes(propose=1.0))
    assert (finished.step_best, finished.best) == (0.7, 0.7)
    assert finished.step_mean == (0.7 + 1.0) / 2


def test_the_result_says_how_many_images_each_score_rests_on() -> None:
    result = summarise(BEGUN.apply(scored(GOOD, 3, 3)))
    assert [entry["train_images"] for entry in result["leaderboard"]] == [100, 3]
    assert result["best"]["train_images"] == result["baseline"]["train_images"] == 100
    assert summarise(RunState())["best"]["train_images"] is None


def test_a_journal_takes_scores_again_and_a_resume_knows_the_largest(tmp_path) -> None:
    folder = write_run(tmp_path / "run", finished=False)
    few, all_ = TRAIN_IMAGES // 2, TRAIN_IMAGES
    journal = Journal(folder)
    take_up(journal, trusted=True)
    journal.append(scored(GOOD, few, few), scored(GOOD, all_ - 1, all_), scored(GOOD, 1, few))
    journal.close()
    state = fold_journal(folder, read_journal(folder).events)
    assert score(state, GOOD) == (all_ - 1, all_)
    with_journal = Journal(folder)
    taken = take_up(with_journal, trusted=True)
    with_journal.abandon()
    assert (taken.scores[GOOD].hits, taken.scores[GOOD].n) == (all_ - 1, all_)


def test_a_persons_score_on_more_outlives_a_step_that_is_cut_off() -> None:
    state = BEGUN.apply(ev.StepStarted(step=1))
    state = state.apply_all([scored(GOOD, 3, 4, 1, "human"), scored(BAD, 3, 4, 1)])
    state = state.apply(scored(GOOD, 6, 8, 1, "human"))
    again = state.apply(ev.RunReopened(versions={}))
    assert score(again, GOOD) == (6, 8) and again.find(BAD) is None

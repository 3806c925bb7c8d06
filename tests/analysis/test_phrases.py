"""Phrases of a run: which there are, what brought them, and what they are worth."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from engine.analysis.phrase_rows import PhraseRow, phrase_rows
from engine.analysis.phrase_words import has_words, is_phrase, runs_of_words
from engine.analysis.phrases import MOST_PHRASES, Phrase, PhraseBook
from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import SetNextPrompt
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.run.template_log import TemplateLog
from engine.storage.journal import read_journal, read_state
from tests.support.sessions import loaded, one_step, scored, steering_prepared

SEED = "a photo of a <category>."
BLUE = "a photo of a <category> in blue light."
EVERY = 10**6  # phrases: nothing is left out


def asked(step: int, best: list[str], worst: list[str], attempt: int = 1) -> ev.Event:
    """A question with these examples, each list from low to high."""
    return ev.MetaPromptComposed(
        step=step,
        attempt=attempt,
        messages=({"role": "user", "content": "Write."},),
        best=tuple(map(normalise, best)),
        worst=tuple(map(normalise, worst)),
    )


def steps(*templates: dict[str, int]) -> RunState:
    """A run whose steps proposed these, with hits of 10; the seed template has 4."""
    state = RunState().apply_all(loaded())
    for step, found in enumerate(templates, start=1):
        state = state.apply_all(one_step(step, found))
    return state


def found(state: RunState, template: str, most: int = MOST_PHRASES) -> dict[str, Phrase]:
    one = state.find(normalise(template))
    assert one is not None
    return {phrase.text: phrase for phrase in PhraseBook(state).of([one], most)}


def test_of_what_the_same_templates_have_the_longest_is_a_phrase() -> None:
    state = steps({BLUE: 8, "an image, in blue light, of a <category>": 7, "the <category>": 1})
    phrases = found(state, BLUE)
    assert list(phrases) == ["in blue light", "a photo"]  # most worth first
    assert len(phrases["in blue light"].templates) == len(phrases["a photo"].templates) == 2


def test_phrases_of_the_same_templates_that_are_apart_are_one() -> None:
    state = steps({"dim, a <category> in blue light": 8, "in blue light a <category>, dim": 7})
    phrase = found(state, "dim, a <category> in blue light")["in blue light"]
    assert phrase.also == ("dim",)


def test_a_phrase_that_nearly_always_stands_in_a_longer_one_is_left_out() -> None:
    often = {f"<category> in blue light, {n}": 5 for n in range(10)}
    state = steps({**often, "<category> in blue water": 4, "<category>": 3})
    assert "in blue" not in found(state, "<category> in blue light, 1")
    rarely = {f"<category> in blue light, {n}": 5 for n in range(3)}
    state = steps({**rarely, "<category> in blue water": 4, "<category>": 3})
    assert "in blue" in found(state, "<category> in blue light, 1")


def test_what_no_other_template_has_is_a_phrase_without_a_worth() -> None:
    state = steps({BLUE: 8, "a photo of a rusty old <category>": 7, "a <category>": 6})
    phrase = found(state, "a photo of a rusty old <category>")["rusty old"]
    assert phrase.templates == (normalise("a photo of a rusty old <category>"),)
    assert phrase.worth.overall is None and phrase.worth.within_steps is None
    assert (phrase.worth.n_with, phrase.worth.n_without) == (1, 3)


def test_a_word_that_says_nothing_is_none_by_itself() -> None:
    state = steps({"<category> under blue light": 5, "<category>, blue light": 4})
    assert list(found(state, "<category> under blue light")) == ["blue light"]


def test_what_brought_it() -> None:
    dim, light = "a dim <category> of light blue.", "a <category> in the light."
    state = steps({dim: 6, light: 5})
    steered = replace(state, next_messages=None).apply_all(
        [
            ev.StepStarted(step=2),
            asked(2, best=[SEED, dim], worst=[light]),
            steering_prepared(2, 0.75, dim),
            scored(BLUE, 8, 2),
        ]
    )
    steered = steered.apply(scored("seen in blue light: a <category>", 7, 3))
    phrase = found(steered, BLUE)["in blue light"]
    assert phrase.first.text == BLUE and phrase.origin == "llm"
    assert phrase.asked is not None and phrase.asked.steered is not None
    assert phrase.asked.shown == tuple(map(normalise, (dim, SEED, light)))  # the best first
    assert (phrase.asked.steered.alpha, phrase.asked.steered.layers) == (0.75, (3,))
    assert phrase.asked.steered.mode == "last-token"
    assert phrase.parent is not None and phrase.parent.template.text == dim  # has both words
    assert (phrase.parent.words, phrase.size, phrase.is_new) == (2, 2, False)
    photo = found(steered, BLUE)["a photo"]
    assert photo.origin == "seed" and photo.asked is None and photo.parent is None


def test_a_phrase_of_no_example_is_new_and_has_the_nearest_as_its_parent() -> None:
    state = steps({"a drawing of <category>": 6}).apply_all(
        [
            ev.StepStarted(step=2),
            asked(2, best=["a drawing of <category>", SEED], worst=[]),
            scored(BLUE, 8, 2),
            scored("<category>, blue light", 8, 2, candidate=1),
        ]
    )
    phrase = found(state, BLUE)["blue light"]
    assert phrase.is_new and phrase.parent is not None
    assert (phrase.parent.template.text, phrase.parent.words) == (SEED, 0)
    assert phrase.asked is not None and phrase.asked.steered is None


def test_a_persons_template_and_a_persons_question_are_said() -> None:
    edit = ev.Edited(number=1, step=1, edit=SetNextPrompt(system="", user="Write blue."))
    state = RunState().apply_all([*loaded(), edit, ev.StepStarted(step=1)])
    state = state.apply_all([asked(1, best=[SEED], worst=[]), scored(BLUE, 8, 1)])
    state = state.apply(scored("<category> in dim blue light", 7, 1, "human"))
    state = state.apply(scored("<category> in dim air", 7, 2))
    phrases = found(state, "<category> in dim blue light")
    blue, dim = phrases["blue light"], phrases["in dim"]
    # Of one step the LLM's reply came first: what a person injects is no example before the next.
    assert blue.origin == "llm" and blue.asked is not None and blue.asked.by_person
    assert blue.asked.shown == () and blue.parent is None
    assert dim.origin == "human" and dim.asked is None and dim.parent is None


def test_a_step_that_is_begun_again_is_asked_once() -> None:
    begun = [ev.StepStarted(step=1), asked(1, best=[SEED], worst=[])]
    again = [ev.RunReopened(versions={}), *begun, asked(1, [SEED], [], attempt=2)]
    state = RunState().apply_all([*loaded(), *begun, *again])
    assert [(one.step, one.attempt) for one in state.asked] == [(1, 1), (1, 2)]


def test_worth_within_steps_and_in_pairs() -> None:
    state = steps(
        {"a <category>, dim": 2, "a <category>, old": 2, "the <category>": 1},
        {"a <category>, dim, blue": 8, "a <category>, old, blue": 7, "a <category>, new": 6},
    )
    worth = found(state, "a <category>, dim, blue")["blue"].worth
    assert worth.overall is not None and worth.within_steps is not None and worth.pairs is not None
    assert worth.overall.difference == pytest.approx(0.75 - 0.3)  # with the seed's 4
    assert worth.within_steps.difference == pytest.approx(0.75 - 0.6)  # step 2 alone has both
    assert worth.within_steps.steps == 1
    assert worth.pairs.difference == pytest.approx((0.6 + 0.5) / 2) and worth.pairs.count == 2


def test_scores_of_a_part_count_as_far_as_they_are_known_and_are_counted() -> None:
    state = steps({BLUE: 8, "in blue light, <category>": 6, "a <category>": 5})
    part = scored("<category> in blue light, dim", 1, 1).model_copy(update={"n": 2})
    worth = found(state.apply(part), BLUE)["in blue light"].worth
    assert worth.overall is not None and (worth.n_with, worth.partial) == (3, 1)
    assert worth.overall.difference == pytest.approx((0.8 + 0.6 + 0.5) / 3 - (0.4 + 0.5) / 2)


# -- any run -----------------------------------------------------------------------------------

WORDS = ("red", "blue", "in", "of", "light", ",", "<category>", "old-time")


@st.composite
def runs(draw: st.DrawFn) -> RunState:
    """Steps of templates of few words, with examples of earlier steps, steered or not."""
    texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
    state = RunState().apply_all(loaded())
    for step in range(1, draw(st.integers(1, 3)) + 1):
        keys = [t.key for t in state.templates]
        shown = draw(st.lists(st.sampled_from(keys), max_size=4, unique=True))
        state = state.apply_all([ev.StepStarted(step=step), asked(step, shown, [])])
        if draw(st.booleans()):
            state = state.apply(steering_prepared(step, 0.5, SEED))
        for candidate, text in enumerate(draw(st.lists(texts, min_size=1, max_size=5))):
            origin = draw(st.sampled_from(["llm", "llm", "llm", "human"]))
            score = scored(text, draw(st.integers(0, 10)), step, origin, candidate)
            state = state.apply(score)
        state = state.apply(finished(step))
    return state


def finished(step: int) -> ev.StepFinished:
    counts = {"attempts": 1, "new": 1, "duplicates": 0, "rejected": 0, "tokens": 9}
    return ev.StepFinished(step=step, step_best=0, step_mean=0, best=0.4, seconds=1, **counts)


def having(state: RunState, phrase: str) -> list[ScoredTemplate]:
    words = tuple(phrase.split())
    return [t for t in state.templates if any(has_words(r, words) for r in runs_of_words(t.key))]


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy's, of equal values
@settings(max_examples=40, deadline=None)
@given(runs())
def test_whatever_is_said_of_a_phrase_is_so(state: RunState) -> None:
    book = PhraseBook(state)
    for template in state.templates:
        phrases = book.of([template], EVERY)
        assert len({phrase.templates for phrase in phrases}) == len(phrases)
        worths = [p.worth.overall.difference for p in phrases if p.worth.overall is not None]
        assert worths == sorted(worths, reverse=True)
        for phrase in phrases:
            for text in (phrase.text, *phrase.also):
                assert {t.key for t in having(state, text)} == set(phrase.templates)
            assert template.key in phrase.templates
            check_origin(state, phrase)
            check_worth(state, phrase)


def check_origin(state: RunState, phrase: Phrase) -> None:
    all_of_them = [state.find(key) for key in phrase.templates]
    assert phrase.first == all_of_them[0]
    assert phrase.first.first.step == min(t.first.step for t in all_of_them if t is not None)
    assert (phrase.asked is not None) == (phrase.origin == "llm")
    if phrase.asked is not None:
        assert phrase.asked.step == phrase.first.first.step
        assert (phrase.parent is not None) == bool(phrase.asked.shown)
    if phrase.parent is not None:
        assert phrase.asked is not None and phrase.parent.template.key in phrase.asked.shown
        assert phrase.parent.template.first.step < phrase.first.first.step
        assert 0 <= phrase.parent.words <= phrase.size


def check_worth(state: RunState, phrase: Phrase) -> None:
    have = set(phrase.templates)
    groups = [[t.accuracy for t in state.templates if (t.key in have) == yes] for yes in (1, 0)]
    worth = phrase.worth
    assert (worth.n_with, worth.n_without) == (len(groups[0]), len(groups[1]))
    assert (worth.overall is None) == (min(map(len, groups)) < 2)
    if worth.overall is not None:
        difference = np.mean(groups[0]) - np.mean(groups[1])
        assert worth.overall.difference == pytest.approx(difference)
        if worth.overall.interval is not None and worth.overall.error > 1e-9:
            by_scipy = np.clip(stats.ttest_ind(*groups).confidence_interval(0.95), -1, 1)
            assert worth.overall.interval == pytest.approx(tuple(by_scipy), abs=1e-9)
    if worth.within_steps is not None:
        llms = [t for t in state.templates if t.origin == "llm"]
        numbers = sorted({t.first.step for t in llms})
        columns = [[t.first.step == number for t in llms] for number in numbers]
        design = np.array([[t.key in have for t in llms], *columns], float).T
        fitted = np.linalg.lstsq(design, [t.accuracy for t in llms], rcond=None)[0]
        assert worth.within_steps.difference == pytest.approx(fitted[0], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(runs())
def test_no_words_that_are_shared_are_missing(state: RunState) -> None:
    book = PhraseBook(state)
    for template in state.templates:
        phrases = book.of([template], EVERY)
        for run in runs_of_words(template.key):
            for begin in range(len(run)):
                for end in range(begin + 1, len(run) + 1):
                    words = run[begin:end]
                    keys = {t.key for t in having(state, " ".join(words))}
                    if not is_phrase(words) or len(keys) < 2:
                        continue
                    assert any(
                        set(phrase.templates) == keys
                        or has_words(tuple(phrase.text.split()), words)
                        for phrase in phrases
                    ), words


@settings(max_examples=40, deadline=None)
@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_templates_does_not_matter(state: RunState, order: random.Random) -> None:
    shuffled = list(state.templates)
    order.shuffle(shuffled)
    log = TemplateLog()
    for template in shuffled:
        log = log.with_template(template)
    other = replace(state, scored=log)
    for template in state.templates:
        assert PhraseBook(state).of([template]) == PhraseBook(other).of([template])
    both = PhraseBook(state).of(state.templates), PhraseBook(state).of(shuffled)
    assert both[0] == both[1] and len(both[0]) <= MOST_PHRASES


@settings(max_examples=40, deadline=None)
@given(runs())
def test_rows_are_what_their_types_say(state: RunState) -> None:
    rows = phrase_rows(state)
    assert TypeAdapter(list[PhraseRow]).validate_python(rows, strict=True) == rows


def test_without_a_score_there_is_none() -> None:
    assert phrase_rows(RunState(config=load_config("demo"))) == []


def test_of_a_real_run(undisturbed: Path) -> None:
    events, state = read_journal(undisturbed).events, read_state(undisturbed)
    shown: dict[tuple[int, int], set[str]] = {}
    alphas: dict[int, float] = {}
    for event in events:
        if isinstance(event, ev.MetaPromptComposed):
            shown[event.step, event.attempt] = {*event.best, *event.worst}
        elif isinstance(event, ev.SteeringPrepared):
            alphas[event.step] = event.alpha
    assert alphas  # the run was steered
    rows = phrase_rows(state, most=EVERY)
    assert rows
    for row in rows:
        assert len(having(state, row["phrase"])) == row["templates_with"]
        if row["origin"] == "llm":
            parent, steering = row["parent"], row["steering"]
            assert parent is not None
            assert normalise(parent["template"]) in shown[row["step"], row["attempt"]]
            assert (steering and steering["alpha"]) == alphas.get(row["step"])

"""The phrases of a run's best templates as plain data, for reports and JSON."""

from __future__ import annotations

from typing_extensions import TypedDict

from engine.analysis.phrase_worth import Pairs, WithinSteps
from engine.analysis.phrases import Phrase, PhraseBook
from engine.common import statistics
from engine.common.record import Count, Difference, Positive, Share, SignedInterval
from engine.config import AlphaUnit, SteeringMode
from engine.run.events import Origin
from engine.run.state import RunState

BEST_TEMPLATES, MOST_ROWS = 10, 20


class WorthRow(TypedDict):
    """A mean difference in train accuracy: with the phrase less without it."""

    difference: Difference
    interval: SignedInterval | None  # null: too few templates, or their accuracies are all equal


class WithinStepsRow(WorthRow):
    """The same among the LLM's templates of the same step."""

    steps: Positive  # that have templates with the phrase and without it


class PairsRow(WorthRow):
    """The same between templates that are alike but for the phrase."""

    pairs: Positive


class PhraseSteering(TypedDict):
    """How the LLM was steered when it wrote the phrase first."""

    mode: SteeringMode
    layers: list[Count]
    alpha: float
    alpha_unit: AlphaUnit


class PhraseParent(TypedDict):
    """The example of the question from which the phrase most likely comes."""

    template: str
    train_accuracy: Share
    words: Count  # of the phrase's words, that it has; 0: the phrase is new
    of: Count  # words of the phrase, without articles and the like


class PhraseRow(TypedDict):
    """A phrase, what brought it, and what it is worth: correlation, not cause."""

    phrase: str
    also: list[str]  # other phrases that exactly the same templates have
    templates_with: Positive  # scored templates that have it
    templates_without: Count
    templates_partial: Count  # of both, scored on a part of the images (search.racing)
    worth: WorthRow | None  # null: fewer than two templates on a side
    worth_within_steps: WithinStepsRow | None  # null: no step has templates of both kinds
    worth_in_pairs: PairsRow | None  # null: there are no such pairs
    origin: Origin  # who brought it
    step: Count  # of the first template that has it; 0: the seed
    attempt: Positive
    first_template: str
    first_accuracy: Share
    own_question: bool  # a person's own meta-prompt had been sent, so that no example is known
    steering: PhraseSteering | None  # null: not steered, or not the LLM's
    parent: PhraseParent | None  # null: no example was shown, or not the LLM's


def phrases_of_best(
    state: RunState, best: int = BEST_TEMPLATES, most: int = MOST_ROWS
) -> tuple[Phrase, ...]:
    """Phrases of the ``best`` templates that are not banned, most worth first; at most ``most``.

    For a report in words: ``engine.analysis.phrase_wording`` has the sentences.
    """
    return PhraseBook(state).of(state.allowed[:best], most)


def phrase_rows(
    state: RunState, best: int = BEST_TEMPLATES, most: int = MOST_ROWS
) -> list[PhraseRow]:
    """``phrases_of_best`` as plain data.

    For a report in JSON: ``"phrases": phrase_rows(state)``; each row is one phrase. Accuracies and
    differences are shares, to be shown times 100 (as points). Texts are untrusted, and to be
    escaped as all others. [] where nothing is scored. Deterministic, no files, no models; less than
    a second for 1,000 templates.
    """
    return [_row(phrase) for phrase in phrases_of_best(state, best, most)]


def _row(phrase: Phrase) -> PhraseRow:
    worth, parent = phrase.worth, phrase.parent
    steered = phrase.asked.steered if phrase.asked else None
    within, pairs = worth.within_steps, worth.pairs
    return {
        "phrase": phrase.text,
        "also": list(phrase.also),
        "templates_with": worth.n_with,
        "templates_without": worth.n_without,
        "templates_partial": worth.partial,
        "worth": _worth(worth.overall) if worth.overall else None,
        "worth_within_steps": {**_worth(within), "steps": within.steps} if within else None,
        "worth_in_pairs": {**_worth(pairs), "pairs": pairs.count} if pairs else None,
        "origin": phrase.origin,
        "step": phrase.first.first.step,
        "attempt": phrase.first.first.attempt,
        "first_template": phrase.first.text,
        "first_accuracy": phrase.first.accuracy,
        "own_question": phrase.asked is not None and phrase.asked.by_person,
        "steering": {
            "mode": steered.mode,
            "layers": list(steered.layers),
            "alpha": steered.alpha,
            "alpha_unit": steered.alpha_unit,
        }
        if steered
        else None,
        "parent": {
            "template": parent.template.text,
            "train_accuracy": parent.template.accuracy,
            "words": parent.words,
            "of": phrase.size,
        }
        if parent
        else None,
    }


def _worth(found: statistics.Difference | WithinSteps | Pairs) -> WorthRow:
    return {
        "difference": found.difference,
        "interval": list(found.interval) if found.interval else None,
    }

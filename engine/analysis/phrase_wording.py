"""Phrases in words, for screens and reports. Their texts are untrusted: clean before showing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.analysis.phrases import Phrase
from engine.common.wording import counted
from engine.run.asked import Steered

WHAT_WORTH_IS = (
    "Worth: mean accuracy of templates with the phrase less that of those without (95 % interval; "
    "numbers of templates). Correlation, not cause"
)


def worth_words(phrase: Phrase) -> str:
    """What it is worth, with both numbers of templates; or why that is not known."""
    worth = phrase.worth
    found = worth.overall
    if found is not None:
        sides = f"{worth.n_with} with, {worth.n_without} without"
        return _points(found.difference, found.interval, "worth", " points", sides)
    if worth.n_with == 1:
        return "in no other template"
    alone = " but one" if worth.n_without else ""
    return f"in all{alone} of {counted(worth.n_with + worth.n_without, 'template')}"


def fairer_words(phrase: Phrase) -> str:
    """The differences within steps and in pairs; nothing where there are none."""
    within, pairs = phrase.worth.within_steps, phrase.worth.pairs
    found = []
    if within is not None:
        sides = counted(within.steps, "step")
        found.append(_points(within.difference, within.interval, "in the same step", "", sides))
    if pairs is not None:
        what = "alike but for the phrase"
        sides = counted(pairs.count, "pair")
        found.append(_points(pairs.difference, pairs.interval, what, "", sides))
    return "; ".join(found)


def quoted(text: str) -> str:
    """How a template stands within a sentence on a screen."""
    return f'"{text}"'


def origin_words(phrase: Phrase, quote: Callable[[str], str] = quoted) -> str:
    """What brought it: the step, the steering, the parent, whose text goes through ``quote``."""
    first = phrase.first.first
    if phrase.origin == "seed":
        return "from the seed template"
    if phrase.origin == "listed":
        return "from the data set's own templates"
    if phrase.origin == "human":
        return f"injected by a person in step {first.step}"
    attempt = f", attempt {first.attempt}" if first.attempt > 1 else ""
    steered = phrase.asked.steered if phrase.asked is not None else None
    how = f"at {steering_words(steered)}" if steered is not None else "not steered"
    return f"came in step {first.step}{attempt}, {how}, {_source(phrase, quote)}"


def steering_words(steered: Steered) -> str:
    """Alpha, mode and layers."""
    unit = " of the norm" if steered.alpha_unit == "relative" else ""
    layers = ", ".join(map(str, steered.layers))
    several = "layer" if len(steered.layers) == 1 else "layers"
    return f"alpha {steered.alpha:g}{unit} ({steered.mode}, {several} {layers})"


def partial_words(phrases: Sequence[Phrase]) -> str:
    """How many scores rest on a part of the images; nothing where none does."""
    worth = phrases[0].worth if phrases else None
    if worth is None or not worth.partial:
        return ""
    of_all = counted(worth.n_with + worth.n_without, "template")
    return f"{worth.partial} of {of_all} count with their accuracy on a part of the images"


def _source(phrase: Phrase, quote: Callable[[str], str]) -> str:
    if phrase.asked is not None and phrase.asked.by_person:
        return "on a person's own meta-prompt"
    if phrase.parent is None:
        return "with no example shown"
    if phrase.is_new:
        return "new: no example has a word of it"
    template = phrase.parent.template
    words = f"{phrase.parent.words} of its {counted(phrase.size, 'word')}"
    return f"from {quote(template.text)} ({template.accuracy:.1%}), which has {words}"


def _points(
    difference: float, interval: tuple[float, float] | None, what: str, unit: str, sides: str
) -> str:
    between = f"{ends(interval)}; " if interval else ""
    return f"{what} {points(difference)}{unit} ({between}{sides})"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign."""
    text = f"{100 * difference:+.1f}"
    return text if float(text) else "0.0"


def ends(interval: tuple[float, float] | None) -> str:
    """Those of an interval of a difference; a dash where there is none."""
    return f"{points(interval[0])} to {points(interval[1])}" if interval else "–"

"""Best template, ensemble, leaderboard and phrases as Markdown, for READMEs, issues and notes.

Text from elsewhere stands in code spans, where neither marks, links, mentions nor HTML count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.analysis.export.exported import Exported
from engine.analysis.export.interventions import interventions_of
from engine.analysis.export.wording import (
    interval,
    members,
    moment,
    origin,
    percent,
    test_interval,
)
from engine.analysis.phrase_rows import phrases_of_best
from engine.analysis.phrase_wording import (
    WHAT_WORTH_IS,
    ends,
    origin_words,
    partial_words,
    points,
)
from engine.analysis.phrase_worth import WithinSteps
from engine.common.harmless import clean
from engine.common.statistics import Difference
from engine.common.wording import counted
from engine.run import events as ev
from engine.run.ranking import ScoredTemplate

MOST = 50  # rows of the leaderboard


def write(run: Exported) -> str:
    """One page."""
    parts = (_head, _best, _ensemble, _asked, _leaderboard, _phrases, _interventions, _notes)
    return "\n".join(line for part in parts for line in part(run)).rstrip("\n") + "\n"


def code(text: str) -> str:
    """Untrusted text as a code span, also within a table."""
    shown = clean(text)
    if not shown.strip():
        return "(blank)"
    # Tables take the backslash of \| away, code elsewhere shows it; each reads others in its way.
    if "|" in shown or shown.endswith("\\"):
        return f"<code>{_spelt(shown)}</code>"
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _spelt(text: str) -> str:
    """With every sign that Markdown or HTML might read as a number of its own."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text)


def _head(run: Exported) -> Iterator[str]:
    state, config = run.state, run.config
    yield f"# Prompts that glov found: {code(run.folder.resolve().name)}"
    yield ""
    done = f"{counted(state.steps_done, 'step')} of {config.steps} done"
    yield f"{run.status.capitalize()}, {done}, seed {config.seed}."
    yield ""
    if state.models is not None:
        models = state.models
        yield f"- VLM: {code(models.vlm)}"
        yield f"- LLM: {code(models.llm) if models.llm else 'none'}"
        yield (
            f"- data: {code(models.dataset_name)}, "
            f"{counted(len(models.class_names), 'class', 'classes')}, {models.train_size} training "
            f"and {counted(models.test_size, 'test image')}"
        )
    yield f"- search: {config.search.kind}"
    yield ""


def _best(run: Exported) -> Iterator[str]:
    best, seed = run.state.best, run.state.seed
    if best is None:
        yield "No template was scored yet."
        return
    yield "## Best template"
    yield ""
    yield code(best.text)
    yield ""
    yield from _numbers("few-shot", best, run.state.test("best"))
    if seed is not None and seed.key != best.key:
        yield f"- for comparison, the seed template {code(seed.text)}:"
        yield from (f"  {line}" for line in _numbers("few-shot", seed, run.state.test("seed")))
    yield ""


def _notes(run: Exported) -> Iterator[str]:
    if not run.state.notes:
        return
    yield "## Notes"
    yield ""
    for note in run.state.notes:
        on = code(run.text_of(note.template)) if note.template is not None else note.about
        by = f", {code(note.author)}" if note.author else ""
        if note.changed_at is not None:
            by += f"; changed {moment(note.changed_at)}" + (
                f" by {code(note.other)}" if note.other else ""
            )
        yield f"- {on} ({moment(note.time)}{by}):"
        yield from (f"  {code(line)}  " for line in note.text.splitlines() if line.strip())
    yield ""


def _interventions(run: Exported) -> Iterator[str]:
    made = interventions_of(run)  # what was tested has its own section
    if not made:
        return
    yield "## Interventions"
    yield ""
    for one in made:
        note = f"; {code(one.note)}" if one.note else ""
        asked = f" ({code(one.asked)})" if one.asked else ""
        yield f"- step {one.step}, {one.kind}: {code(one.what)}{note}{asked}"
    yield ""


def _numbers(what: str, scored: ScoredTemplate, test: ev.TestMeasured | None) -> Iterator[str]:
    yield (
        f"- {what} accuracy {percent(scored.accuracy)} (95 %: {interval(scored.interval)}; "
        f"{scored.hits} of {counted(scored.n, 'image')}){_probability(scored.probability)}"
    )
    if test is not None:
        yield _tested(test)


def _tested(test: ev.TestMeasured) -> str:
    return (
        f"- test accuracy {percent(test.hits / test.n)} (95 %: {test_interval(test)}; "
        f"{test.hits} of {counted(test.n, 'image')}){_probability(test.probability)}"
    )


def _probability(mean: float | None) -> str:
    return "" if mean is None else f", mean probability of the true class {percent(mean)}"


def _asked(run: Exported) -> Iterator[str]:
    asked = [test for test in run.state.tests if test.subject == "asked"]
    if not asked:
        return
    yield "## Test accuracies that a person asked for"
    yield ""
    yield "Measured while the run was under way; the search has not seen them."
    yield ""
    for test in asked:
        by = f", by {code(test.author)}" if test.author else ""
        share = f"{percent(test.hits / test.n)} (95 %: {test_interval(test)})"
        yield f"- {share} in step {test.step}{by}: {code(test.templates[0])}"
    yield ""


def _ensemble(run: Exported) -> Iterator[str]:
    test = run.state.test("ensemble")
    if test is None:
        return
    yield f"## Ensemble (chosen {'greedily' if test.selection == 'greedy' else 'from the top'})"
    yield ""
    for count, template in members(test.templates):
        yield f"- {f'{count} times ' if count > 1 else ''}{code(template)}"
    yield ""
    yield _tested(test)
    yield ""


def _leaderboard(run: Exported) -> Iterator[str]:
    ranking = run.state.ranking
    if not ranking:
        return
    yield "## Templates"
    yield ""
    yield "| rank | few-shot | 95 % | images | P true | step | from | template |"
    yield "|---:|---:|---:|---:|---:|---:|---|---|"
    for rank, t in enumerate(ranking[:MOST], 1):
        who = origin(t) + (", banned" if t.key in run.state.banned else "")
        yield (
            f"| {rank} | {percent(t.accuracy)} | {interval(t.interval)} | {t.n} "
            f"| {percent(t.probability)} | {t.first.step} | {who} | {code(t.text)} |"
        )
    if len(ranking) > MOST:
        yield ""
        yield f"And {len(ranking) - MOST} more."
    yield ""


def _phrases(run: Exported) -> Iterator[str]:
    phrases = phrases_of_best(run.state)
    if not phrases:
        return
    yield "## Phrases of the best templates"
    yield ""
    yield f"{WHAT_WORTH_IS}."
    if partial := partial_words(phrases):
        yield f"{partial}."
    yield ""
    yield "| phrase | worth, points | 95 % | with | without | in the same step | 95 % | came |"
    yield "|---|---:|---:|---:|---:|---:|---:|---|"
    for phrase in phrases:
        names = " and ".join(code(text) for text in (phrase.text, *phrase.also))
        worth, within = phrase.worth, phrase.worth.within_steps
        yield (
            f"| {names} | {_points(worth.overall)} | {worth.n_with} | {worth.n_without} "
            f"| {_points(within)} | {origin_words(phrase, code)} |"
        )


def _points(found: Difference | WithinSteps | None) -> str:
    """Two cells: a difference and its interval."""
    if found is None:
        return "– | –"
    return f"{points(found.difference)} | {ends(found.interval)}"

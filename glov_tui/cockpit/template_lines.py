"""Everything that is known about a template, as lines: for its dialog, and beside the panes."""

from __future__ import annotations

from collections.abc import Sequence

from engine.common.intervals import wilson_interval
from engine.common.wording import counted
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.note_lines import text_lines
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line, Span

BAR_CELLS = 10


def details(t: ScoredTemplate, state: RunState, more: Sequence[Line] = ()) -> list[Line]:
    """Everything that is known about a template, as lines; ``more``: its images and phrases."""
    low, high = t.interval
    rank = [r.key for r in state.ranking].index(t.key) + 1
    partial = state.is_partial(t)
    of_all = f", of {state.models.train_size}" if state.models and partial else ""
    lines: list[Line] = [
        ((clean(t.text), "strong"),),
        (("", ""),),
        (
            (f"few-shot accuracy {t.accuracy:.1%} ", ""),
            (
                f"({t.hits} of {counted(t.n, 'training image')}{of_all}; "
                f"95 % {low:.1%} to {high:.1%})",
                "dim",
            ),
        ),
        (
            (f"mean log-likelihood of the true class {t.margin:.4f}", ""),
            (f"; mean probability {t.probability:.1%}" if t.probability is not None else "", ""),
        ),
        ((f"rank {rank} of {len(state.templates)}", ""),),
        ((_origin(t), ""),),
    ]
    lines += _tested(t, state)
    if t.unnamed:
        lines.append(((f"answers that name no class: {t.unnamed} of {t.n}, all wrong", ""),))
    if t.again:
        where = ", ".join(f"step {p.step} #{p.candidate + 1}" for p in t.again[:20])
        lines.append(((f"proposed again {counted(len(t.again), 'time')}: {where}", "dim"),))
    if t.reply.strip() not in ("", t.text):
        lines += [(("", ""),), (("reply it was read from", "mark"),)]
        lines += [((clean(text), "dim"),) for text in t.reply.splitlines()]
    notes = [note for note in state.notes if note.template == t.key]
    if notes:
        lines += [(("", ""),), (("notes", "mark"),)]
        lines += [line for note in notes for line in text_lines(note)]
    lines += more
    if partial:  # of which classes the images were that were looked at is not known
        return lines
    lines += [(("", ""),), (("hits by class, lowest first", "mark"),)]
    by_class = state.class_hits(t)
    width = max((len(clean(name)) for name, _, _ in by_class), default=0)
    for name, hits, n in sorted(by_class, key=lambda item: item[1] / item[2]):
        filled = round(BAR_CELLS * hits / n)
        bar = "#" * filled + "." * (BAR_CELLS - filled)
        style = "bad" if hits / n < t.accuracy / 2 else ""
        lines.append(((f"{clean(name):<{width}} {bar} {hits}/{n}", style),))
    return lines


def _tested(t: ScoredTemplate, state: RunState) -> list[Line]:
    """What is known of it on the test split, and who has seen that."""
    test = state.tested(t.text)
    if test is None:
        waits = any(asked.template == t.text for asked in state.tests_asked)
        return [(("test accuracy asked for, not measured yet", "dim"),)] if waits else []
    low, high = wilson_interval(test.hits, test.n)
    said = f"({test.hits} of {counted(test.n, 'image')}; 95 % {low:.1%} to {high:.1%})"
    line: list[Span] = [(f"test accuracy {test.hits / test.n:.1%} ", "note"), (said, "dim")]
    if test.subject == "asked":
        by = f" by {clean(test.author)}" if test.author else ""
        line.append((f" asked for{by} in step {test.step}; the search has not seen it", "dim"))
    return [tuple(line)]


def _origin(t: ScoredTemplate) -> str:
    if t.origin == "seed":
        return "the seed template of the run"
    if t.origin == "listed":
        return "one of the data set's own templates"
    if t.origin == "human":
        return f"injected by a person in step {t.first.step}"
    attempt = f", attempt {t.first.attempt}" if t.first.attempt > 1 else ""
    whole = ", word for word" if t.reply.strip() == t.text else ""
    reply = f"reply {t.first.candidate + 1}{whole}"
    return f"proposed by the LLM in step {t.first.step}{attempt}, {reply}"

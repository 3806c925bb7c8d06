"""Two templates side by side, as lines: their words, whether one is better, classes and images."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from engine.analysis.paired import SURE, verdict
from engine.analysis.why import PairedImage, TakenFor, Why
from engine.common.wording import counted
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.image_samples import (
    NOT_NAMED,
    Pictures,
    card_width,
    in_columns,
    with_picture,
)
from glov_tui.cockpit.word_diff import word_diff
from glov_tui.common.text import clean, cut
from glov_tui.terminal.printing import percent, probability
from glov_tui.widgets.spans import Line, Span
from glov_tui.widgets.text_view import wrap

MOST_CLASSES, MOST_PAIRS = 12, 12
FEWEST = 6
"""Images that only one of two is right on, from which McNemar's exact p can be below ``SURE``."""
A, B = "A", "B"
_EMPTY: Line = (("", ""),)


def heads(first: ScoredTemplate, second: ScoredTemplate, state: RunState) -> list[Line]:
    """Both templates, and the word diff: known before anything is read."""
    lines: list[Line] = []
    for name, template in ((A, first), (B, second)):
        roles = ", ".join(roles_of(template, state))
        score = f"{template.accuracy:.1%}, {template.hits} of {template.n}"
        lines.append(
            ((f"{name}  ", "strong"), (score, "strong"), (f"  {roles}" if roles else "", "dim"))
        )
        lines.append(((f"   {clean(template.text)}", ""),))
    note = f"{{+only in {A}+}} [-only in {B}-]"
    lines += [_EMPTY, (("words", "mark"), (f"  {note}", "dim"))]
    return [*lines, word_diff(first.text, second.text)]


def roles_of(template: ScoredTemplate, state: RunState) -> list[str]:
    """What it is in the run: its rank, where it comes from, P+ or P-."""
    rank = state.scored.rank(template.key)
    roles = [f"rank {rank + 1} of {len(state.scored)}"] if rank is not None else []
    if state.best is not None and state.best.key == template.key:
        roles.append("best")
    if state.seed is not None and state.seed.key == template.key:
        roles.append("seed")
    if state.anchors is not None:
        named = zip(("P+", "P-"), state.anchors, strict=True)
        roles += [name for name, key in named if key == template.key]
    origin = {"human": "by a person", "listed": "the data set's own"}.get(template.origin)
    roles += [origin] if origin else []
    held = (("banned", state.banned), ("pinned", state.pinned))
    roles += [name for name, keys in held if template.key in keys]
    if template.origin == "llm":
        roles.append(f"step {template.first.step}")
    return roles


def why_lines(
    found: Why,
    state: RunState,
    pictures: Pictures,
    width: int,
    box: tuple[int, int] | None,
    test_key: str,
) -> list[Line]:
    """Everything that is known about two templates.

    Args:
        found: what they made of the images.
        state: of the run.
        pictures: those that are drawn by now.
        width: cells of a line.
        box: columns and rows of a picture; None where none is to be shown.
        test_key: of the key that measures on the test split.
    """
    lines = [*heads(found.first, found.second, state), *_test(found, state, test_key)]
    if found.unknown is not None:
        lines += [_EMPTY, ((clean(found.unknown), "note"),)]
    lines += _classes(found, width)
    lines += _taken(found.taken, width)
    if found.unseen is not None and (found.only_first or found.only_second):
        lines += [_EMPTY, ((f"names only: {clean(found.unseen)}", "note"),)]
        box = None
    hits = found.hits
    if hits is None or found.unknown is not None:
        return lines
    sides = ((A, hits.first, found.only_first), (B, hits.second, found.only_second))
    for name, count, images in sides:
        more = f", {len(images)} of them here" if count > len(images) else ""
        lines += [_EMPTY, ((f"images that only {name} gets right", "mark"), _dim(f"{count}{more}"))]
        each = card_width(width, box)
        cards = [_card(image, pictures, each, box) for image in images]
        lines += in_columns(cards, width, box)
        if lines[-1] == ():  # below a row of pictures
            lines.pop()
    return lines


def _test(found: Why, state: RunState, test_key: str) -> list[Line]:
    lines: list[Line] = [_EMPTY, (("is one better?", "mark"),)]
    hits = found.hits
    if hits is None:
        return [*lines, (("Which images each was right on is not known: no test.", "note"),)]
    for template, name in ((found.first, A), (found.second, B)):
        if hits.n < template.n:
            seen = counted(template.n, "image")
            lines.append(
                ((f"{name} has seen {seen}, both have seen {hits.n}: only these.", "note"),)
            )
    said = verdict(hits, found.p, A, B)
    style = "good" if found.p < SURE and hits.first > hits.second else ""
    low, high = hits.interval
    lines += [
        ((said, style or "strong"),),
        (
            (f"{A} less {B}: {percent(hits.difference, signed=True)} points", ""),
            _dim(f"95 % {percent(low, signed=True)} to {percent(high, signed=True)}"),
            _dim(f"McNemar's exact p = {probability(found.p)}".replace("= <", "< ")),
        ),
        (
            (f"right: both {hits.both}, ", ""),
            (f"only {A} {hits.first}", "good"),
            (", ", ""),
            (f"only {B} {hits.second}", "bad"),
            (f", neither {hits.neither}", ""),
        ),
    ]
    told = hits.first + hits.second
    if 0 < told < FEWEST:
        few = f"Only one of them is right on {counted(told, 'image')}"
        lines.append(((f"{few}: with fewer than {FEWEST} the test can't tell two apart.", "dim"),))
    elif (found.p < SURE) != (low > 0 or high < 0):
        close = "It is close: one of interval and test says that they differ, the other does not."
        lines.append(((f"{close} The test counts.", "dim"),))
    leads, name = (found.first, A) if hits.first > hits.second else (found.second, B)
    if hits.first != hits.second and state.best is not None and state.best.key == leads.key:
        scored = counted(len(state.scored), "template")
        note = f"{name} was picked as the best of {scored} by these images: its lead is part luck"
        lines.append(((f"{note} ({test_key} measures on the test split).", "dim"),))
    return lines


def _classes(found: Why, width: int) -> list[Line]:
    if found.changes is None:
        return []
    heading: Line = (("classes that gain and lose", "mark"), _dim(f"of {A} against {B}"))
    if not found.changes:
        return [_EMPTY, heading, (("Both are right on as many images of each class.", "dim"),)]
    changes = found.changes
    left_out = max(0, len(changes) - MOST_CLASSES)
    if left_out:  # both ends of the list
        half = MOST_CLASSES // 2
        changes = (*changes[:half], *changes[-half:])
    longest = max(len("class"), *(cell_len(clean(one.name)) for one in changes))
    cells = min(longest, max(8, width - 24))
    names = f"{'class':<{cells}}"
    lines: list[Line] = [_EMPTY, heading, ((f"{names}   {A:>4} {B:>4}   of   diff", "dim"),)]
    for one in changes:
        style = "good" if one.difference > 0 else "bad"
        name = _fit(clean(one.name), cells)
        numbers = f"   {one.first:>4} {one.second:>4} {one.images:>4}"
        lines.append(((name, ""), (numbers, ""), (f" {100 * one.difference:>+6.1f}", style)))
    if left_out:
        lines.append(((f"and {counted(left_out, 'class', 'classes')} between", "dim"),))
    return lines


def _taken(taken: Sequence[TakenFor], width: int) -> list[Line]:
    if not taken:
        return []
    about = _dim("where the two see different classes")
    lines: list[Line] = [_EMPTY, (("taken for what", "mark"), about)]
    shown = taken[:MOST_PAIRS]
    texts = [
        (clean(one.truth), _seen_as(one.first, one), _seen_as(one.second, one)) for one in shown
    ]
    most = max(6, (width - 16) // 3)
    cells = [min(most, max(cell_len(row[column]) for row in texts)) for column in range(3)]
    for one, (truth, first, second) in zip(shown, texts, strict=True):
        line: list[Span] = [(f"{one.count:>3}  ", ""), (_fit(truth, cells[0]), "strong")]
        sides = ((A, one.first, first, cells[1]), (B, one.second, second, cells[2]))
        for name, predicted, said, room in sides:
            style = "good" if predicted == one.truth else "bad"
            line += [(f"  {name}: ", "dim"), (_fit(said, room), style)]
        lines.append(tuple(line))
    more = len(taken) - MOST_PAIRS
    return lines + ([((f"and {counted(more, 'more')}", "dim"),)] if more > 0 else [])


def _seen_as(predicted: str | None, one: TakenFor) -> str:
    if predicted is None:
        return NOT_NAMED
    return "right" if predicted == one.truth else clean(predicted)


def _fit(text: str, cells: int) -> str:
    return set_cell_size(cut(text, cells), cells)


def _card(
    image: PairedImage, pictures: Pictures, width: int, box: tuple[int, int] | None
) -> list[Line]:
    """An image, its class, and what both took it for."""
    sample = image.first
    words: list[Line] = [((clean(sample.truth), "strong"),)]
    for name, made in ((A, image.first), (B, image.second)):
        taken = NOT_NAMED if made.predicted is None else clean(made.predicted)
        sure = made.predicted_probability
        likely = f" {sure:.0%}" if sure is not None else ""
        said = "right" if made.is_right else taken
        words.append(
            ((f"{name}: ", "dim"), (f"{said}{likely}", "good" if made.is_right else "bad"))
        )
        if made.answer is not None:
            words.append(((f'"{cut(clean(made.answer), 60)}"', "dim"),))
    picture = pictures.get(sample.path, ())
    path: Line = ((clean(sample.path), "dim"),)
    if box is None or sample.file is None or isinstance(picture, str):
        why = ((clean(picture), "note"),) if isinstance(picture, str) else ()
        spans = [span for line in (*words, path, why) for span in (*line, ("  ", ""))]
        return wrap(tuple(spans[:-1]), width)
    beside = width - box[0] - 1
    rows = [row for line in (*words, path) for row in wrap(line, beside)]
    return with_picture(picture, rows[: max(box[1], len(words) + 1)], box)


def _dim(text: str) -> Span:
    return f"  {text}", "dim"

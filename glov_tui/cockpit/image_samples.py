"""What a template made of images, as lines: the most confused classes, and pictures with the truth
and the prediction beside them, wrong ones first. Where no picture can be shown the names of the
files stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from engine.analysis.image_predictions import Confusion, ImageSample, LookedAt
from engine.common.wording import counted
from glov_tui.common.text import clean, cut
from glov_tui.widgets.spans import Line, Span
from glov_tui.widgets.text_view import wrap

CARD_CELLS = 46  # that a sample needs beside another one
GAP = 2
MOST_CONFUSIONS = 5
NOT_NAMED = "no class"

Pictures = Mapping[str, Sequence[Line] | str]
"""By the path of an image: its rows, or why it can't be shown."""


def image_lines(
    found: LookedAt, pictures: Pictures, width: int, box: tuple[int, int] | None
) -> list[Line]:
    """The most confused classes, then the samples in as many columns as fit.

    Args:
        found: what the template made of the images.
        pictures: those that are drawn by now.
        width: cells of a line.
        box: columns and rows of a picture; None where none is to be shown.
    """
    lines: list[Line] = []
    if found.confusions:
        lines += [(("", ""),), (("most confused classes", "mark"), _others(found))]
        lines += [_confusion(one) for one in found.confusions[:MOST_CONFUSIONS]]
    lines += [(("", ""),), (("images, wrong ones first", "mark"), _counted(found))]
    if found.unseen is not None:
        lines.append(((f"names only: {clean(found.unseen)}", "note"),))
        box = None
    each = card_width(width, box)
    cards = [_card(sample, pictures, each, box) for sample in found.samples]
    return lines + in_columns(cards, width, box)


def card_width(width: int, box: tuple[int, int] | None) -> int:
    """Cells of a card where as many as fit stand beside each other; one where names stand."""
    columns = max(1, width // CARD_CELLS) if box is not None else 1
    return (width - GAP * (columns - 1)) // columns


def in_columns(
    cards: Sequence[Sequence[Line]], width: int, box: tuple[int, int] | None
) -> list[Line]:
    """Cards of ``card_width`` beside each other."""
    each = card_width(width, box)
    columns = max(1, width // each)
    lines: list[Line] = []
    for first in range(0, len(cards), columns):
        lines += _beside(cards[first : first + columns], each)
    return lines


def _others(found: LookedAt) -> Span:
    more = len(found.confusions) - MOST_CONFUSIONS
    return (f"  and {counted(more, 'other pair')}" if more > 0 else ""), "dim"


def _counted(found: LookedAt) -> Span:
    wrong = found.n - found.right
    return f"  {wrong} of {found.n} wrong; with the probabilities of truth and prediction", "dim"


def _confusion(one: Confusion) -> Line:
    taken = NOT_NAMED if one.predicted is None else clean(one.predicted)
    return (
        (f"{one.count:>3} of {one.of:<3} ", ""),
        (clean(one.truth), "strong"),
        (" taken for ", "dim"),
        (taken, "bad"),
    )


def _card(
    sample: ImageSample, pictures: Pictures, width: int, box: tuple[int, int] | None
) -> list[Line]:
    """A sample as lines of at most ``width`` cells: as high as its picture, and an empty one."""
    picture = pictures.get(sample.path, ())
    if box is None or sample.file is None or isinstance(picture, str):
        reason = f"  {clean(picture)}" if isinstance(picture, str) else ""
        name = f"  {clean(sample.path)}"
        words = [span for line in _classes(sample) for span in (*line, ("  ", ""))]
        lines = wrap((*words[:-1], (name, "dim"), (reason, "note")), width)
        return lines if sample.answer is None else [*lines, *_answer(sample.answer, width, 2)]
    beside = width - box[0] - 1
    texts = [row for line in _classes(sample) for row in wrap(line, beside)]
    if sample.answer is not None:
        texts += _answer(sample.answer, beside, max(2, box[1] - len(texts) - 1))
    texts.append(((_end(clean(sample.path), beside), "dim"),))
    return with_picture(picture, texts, box)


def with_picture(
    picture: Sequence[Line], texts: Sequence[Line], box: tuple[int, int]
) -> list[Line]:
    """Lines beside a picture of at most this ``box``, and an empty one below."""
    columns, rows = box
    card: list[Line] = []
    for row in range(max(rows, len(texts))):
        drawn = picture[row] if row < len(picture) else ()
        pad: Span = (" " * (columns + 1 - len(drawn)), "")
        card.append((*drawn, pad, *(texts[row] if row < len(texts) else ())))
    return [*card, ()]


def _classes(sample: ImageSample) -> list[Line]:
    """The true class and the predicted one, each with its probability."""
    truth = f"{clean(sample.truth)} {sample.truth_probability:.0%}"
    if sample.is_right:
        return [((truth, "strong"), ("  right", "good"))]
    taken = NOT_NAMED if sample.predicted is None else clean(sample.predicted)
    if sample.predicted_probability is not None:
        taken += f" {sample.predicted_probability:.0%}"
    return [((truth, "strong"),), (("taken for ", "dim"), (taken, "bad"))]


def _answer(answer: str, width: int, rows: int) -> list[Line]:
    """The answer's text in at most so many rows."""
    lines = wrap(((f'answer: "{clean(answer)}"', ""),), width)
    if len(lines) > rows:
        lines = [*lines[: rows - 1], ((cut(_text(lines[rows - 1]) + "…", width), ""),)]
    return lines


def _end(name: str, cells: int) -> str:
    """The end of a file's path, which tells it from others."""
    while cell_len(name) > cells:
        name = f"…{name[2:]}" if name.startswith("…") else f"…{name[1:]}"
    return name


def _text(line: Line) -> str:
    return "".join(text for text, _ in line)


def _beside(cards: Sequence[Sequence[Line]], width: int) -> list[Line]:
    """Cards in columns of ``width`` cells."""
    lines: list[Line] = []
    for row in range(max(map(len, cards))):
        line: list[Span] = []
        for number, card in enumerate(cards):
            here = card[row] if row < len(card) else ()
            line += here
            if number + 1 < len(cards):
                line.append((" " * (width + GAP - sum(cell_len(text) for text, _ in here)), ""))
        lines.append(tuple(line))
    return lines

"""Traced replies and lenses as lines of spans, for the screen and for the command line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len

from engine.run.experiment import SteeringSetting
from engine.steering.measures import LayerLens, TracedReply
from glov_tui.cockpit.lab.heat import STYLES, kl_legend, kl_level, ramp
from glov_tui.widgets.cells import graphemes
from glov_tui.widgets.spans import Line, Span

SIDE_BY_SIDE = 96  # cells from which two replies fit beside each other
LENS_BESIDE = 100  # cells from which raised and lowered tokens fit beside each other
MIN_WIDTH = 20
TOKEN_CELLS = 16  # of a token in the lens


def visible(token: str, ascii_only: bool = False) -> str:
    """A token made harmless, its spaces and line ends as signs."""
    space, newline, tab = ("_", "\\n", "\\t") if ascii_only else ("·", "⏎", "⇥")
    shown = token.replace(" ", space).replace("\n", newline).replace("\t", tab)
    return "".join(piece for piece, _ in graphemes(shown, ascii_only))


def first_difference(left: TracedReply, right: TracedReply) -> int | None:
    """The number of the first token in which two replies differ; None if they are equal."""
    pairs = zip_longest(left.tokens, right.tokens)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), None)


def mean(values: Iterable[float]) -> float:
    """The mean; NaN of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def mean_kl(replies: Sequence[TracedReply]) -> float:
    """Mean over all tokens, in nats."""
    return mean(kl for reply in replies for kl in reply.kl)


def mean_fluency(replies: Sequence[TracedReply]) -> float:
    """Mean log-likelihood of all tokens under the unsteered model, in nats."""
    return mean(value for reply in replies for value in reply.log_likelihoods)


def measures(replies: Sequence[TracedReply]) -> str:
    """``KL 0.412, fluency -2.13``."""
    return f"KL {number(mean_kl(replies), 3)}, fluency {number(mean_fluency(replies), 2)}"


def number(value: float, decimals: int) -> str:
    """A number, or a dash where there is none."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else "-"


# -- one reply ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """Part of a row: a text that is never split, and the level of its token's KL."""

    text: str
    cells: int
    level: int
    different: bool
    starts_word: bool
    ends_row: bool
    ends_token: bool


def reply_lines(
    reply: TracedReply, width: int, different_from: int | None, ascii_only: bool = False
) -> list[Line]:
    """Rows of tokens, each over a row with the heat of their KL, at most ``width`` cells wide.

    Tokens from ``different_from`` on are marked. A gap in the heat ends a token of two cells or
    more.
    """
    lines: list[Line] = []
    for row in _rows(list(_pieces(reply, width, different_from, ascii_only)), width):
        lines += [_joined(_token_spans(row, ascii_only)), _joined(_heat_spans(row, ascii_only))]
    return lines or [(("(empty)", "dim"),)]


def _pieces(
    reply: TracedReply, width: int, different_from: int | None, ascii_only: bool
) -> Iterable[_Piece]:
    for i, (token, kl) in enumerate(zip(reply.tokens, reply.kl, strict=True)):
        different = different_from is not None and i >= different_from
        if i == different_from:
            yield _Piece(">" if ascii_only else "▸", 1, -1, True, True, False, True)
        shown = visible(token, ascii_only)
        parts = list(_cut(shown, width))
        for n, part in enumerate(parts):
            last = n == len(parts) - 1
            yield _Piece(
                text=part,
                cells=cell_len(part),
                level=kl_level(kl),
                different=different,
                starts_word=n > 0 or (token[:1].isspace() and i != different_from),
                ends_row=last and "\n" in token,
                ends_token=last,
            )


def _cut(text: str, width: int) -> Iterable[str]:
    part, used = "", 0
    for piece, cells in graphemes(text):
        if used + cells > width and part:
            yield part
            part, used = "", 0
        part, used = part + piece, used + cells
    if part:
        yield part


def _rows(pieces: Sequence[_Piece], width: int) -> list[list[_Piece]]:
    """Break between words where that is possible, else between tokens."""
    rows: list[list[_Piece]] = [[]]
    used = 0
    for i, piece in enumerate(pieces):
        needed = piece.cells
        if piece.starts_word or not rows[-1]:
            for following in pieces[i + 1 :]:
                if following.starts_word or needed > width:
                    break
                needed += following.cells
        if used and used + (needed if needed <= width else piece.cells) > width:
            rows.append([])
            used = 0
        rows[-1].append(piece)
        used += piece.cells
        if piece.ends_row:
            rows.append([])
            used = 0
    return [row for row in rows if row]


def _token_spans(row: Sequence[_Piece], ascii_only: bool) -> Iterable[Span]:
    signs = "_" if ascii_only else "·⏎⇥"
    for piece in row:
        if piece.level < 0:
            yield piece.text, "mark"
            continue
        style = "strong" if piece.different else ""
        if piece.text[:1] in signs:
            yield piece.text[:1], "dim"
            yield piece.text[1:], style
        else:
            yield piece.text, style


def _heat_spans(row: Sequence[_Piece], ascii_only: bool) -> Iterable[Span]:
    shades = ramp(ascii_only)
    for piece in row:
        if piece.level < 0:
            yield " " * piece.cells, ""
            continue
        gap = 1 if piece.ends_token and piece.cells > 1 else 0
        yield shades[piece.level] * (piece.cells - gap), STYLES[piece.level]
        yield " " * gap, ""


def _joined(spans: Iterable[Span]) -> Line:
    joined: list[Span] = []
    for text, style in spans:
        if text and joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        elif text:
            joined.append((text, style))
    return tuple(joined)


# -- two settings ------------------------------------------------------------------------------


def comparison_lines(
    left: Sequence[TracedReply],
    right: Sequence[TracedReply],
    settings: tuple[SteeringSetting, SteeringSetting],
    width: int,
    ascii_only: bool = False,
) -> list[Line]:
    """Both settings' replies, beside each other where ``width`` allows, else below each other."""
    beside = width >= SIDE_BY_SIDE
    bar = " | " if ascii_only else " │ "
    column = max(MIN_WIDTH, (width - len(bar)) // 2 if beside else width)

    def both(a: list[Line], b: list[Line]) -> list[Line]:
        if not beside:
            return [*a, *b]
        rows = zip_longest(a, b, fillvalue=())
        return [
            (*_padded(x, column), (bar, "dim"), *_padded(y, column, fill=False)) for x, y in rows
        ]

    titles = [
        f"{name}: {s.describe()}" for name, s in zip(("left", "right"), settings, strict=True)
    ]
    all_of = [f"{name} all: " if not beside else "all: " for name in ("left", "right")]
    lines = both([((titles[0], "strong"),)], [((titles[1], "strong"),)])
    lines += both(
        [((all_of[0] + measures(left), ""),)],
        [((all_of[1] + measures(right), ""),)],
    )
    lines.append(((kl_legend(ascii_only), "dim"),))
    for i, (a, b) in enumerate(zip(left, right, strict=False), 1):
        start = first_difference(a, b)
        same = "" if start is not None else ", the same"
        heads = [
            f"reply {i} {name}: " if not beside else f"reply {i}: " for name in ("left", "right")
        ]
        lines.append((("", ""),))
        lines += both(
            [
                ((heads[0] + measures([a]) + same, "mark"),),
                *reply_lines(a, column, start, ascii_only),
            ],
            [
                ((heads[1] + measures([b]) + same, "mark"),),
                *reply_lines(b, column, start, ascii_only),
            ],
        )
    return lines


def _padded(line: Line, width: int, fill: bool = True) -> Line:
    """``line`` in exactly ``width`` cells, or at most so many."""
    spans: list[Span] = []
    room = width
    for text, style in line:
        size = cell_len(text)
        if size > room:
            text = next(iter(_cut(text, room)), "") if room else ""
            size = cell_len(text)
        spans.append((text, style))
        room -= size
    return (*spans, (" " * room, "")) if fill else tuple(spans)


# -- the lens ----------------------------------------------------------------------------------


def lens_lines(
    layers: Sequence[LayerLens], width: int, steered: Sequence[int], ascii_only: bool = False
) -> list[Line]:
    """Per layer the tokens raised and lowered most; steered layers are marked."""
    beside = width >= LENS_BESIDE
    column = (width - 8) // 2 if beside else width - 9
    marked = "> a steered layer" if any(lens.layer in steered for lens in layers) else ""
    if beside:
        raised = "raised most, with the logit"
        lines: list[Line] = [
            ((f"  layer {raised:<{column - 1}} lowered most  {marked}", "strong"),)
        ]
    else:
        lines = [((f"  layer  + raised most, - lowered most, with the logit  {marked}", "strong"),)]
    for lens in layers:
        here = lens.layer in steered
        name = f"{'>' if here else ' '}{lens.layer:>5}  "
        style = "mark" if here else ""
        up = _fitting(lens.raised, column, ascii_only)
        down = _fitting(lens.lowered, column, ascii_only)
        if beside:
            lines.append(
                ((name, style), *_padded(up, column), *_padded(down, column - 1, fill=False))
            )
        else:
            lines.append(((name, style), ("+ ", "good"), *up))
            lines.append(((" " * len(name), ""), ("- ", "bad"), *down))
    return lines


def _shortened(text: str, ascii_only: bool) -> str:
    """``text`` in at most ``TOKEN_CELLS`` cells: one long token must not hide all others."""
    if cell_len(text) <= TOKEN_CELLS:
        return text
    return next(iter(_cut(text, TOKEN_CELLS - 1))) + ("~" if ascii_only else "…")


def _fitting(tokens: Sequence[tuple[str, float]], width: int, ascii_only: bool) -> Line:
    """As many tokens with their logits as fit into ``width`` cells."""
    spans: list[Span] = []
    used = 0
    for token, logit in tokens:
        shown = _shortened(visible(token, ascii_only) or "''", ascii_only)
        value = f" {logit:+.1f}  "
        size = cell_len(shown) + len(value)
        if used + size > width and spans:
            break
        spans += [(shown, ""), (value, "dim")]
        used += size
    return tuple(spans)

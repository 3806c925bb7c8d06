"""What ``glov steer`` prints: a comparison, a grid or a lens, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

from rich.console import Console
from rich.text import Text
from typing_extensions import TypedDict

from engine.common.record import Count, Dumped, Share
from engine.common.wording import counted
from engine.run.experiment import CellMeasured, SteeringSetting
from engine.steering.measures import LayerLens, TracedReply
from engine.steering.soundness import BREAKING, Remark
from glov_tui.cockpit.lab.heat import kl_legend, kl_level, ramp
from glov_tui.cockpit.lab.traces import (
    comparison_lines,
    first_difference,
    lens_lines,
    mean_fluency,
    mean_kl,
    number,
)
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line

_STYLES = {
    "": "",
    "dim": "dim",
    "strong": "bold",
    "good": "green",
    "bad": "red",
    "note": "yellow",
    "mark": "bold cyan",
    "struck": "strike",
}


class ReplyFacts(TypedDict):
    """One reply, token by token. Measured under the unsteered model; null: not finite."""

    text: str
    tokens: list[str]
    kl_nats: list[float | None]  # KL(steered || unsteered) where each token was drawn
    log_likelihoods_nats: list[float | None]  # of each token
    mean_kl_nats: float | None
    fluency_nats: float | None  # mean log-likelihood of a token


class SideFacts(TypedDict):
    """The replies with one setting; means are over all their tokens."""

    setting: Annotated[dict[str, Any], Dumped(SteeringSetting)]
    kl_nats: float | None
    fluency_nats: float | None
    replies: list[ReplyFacts]


class ComparedFacts(TypedDict):
    """Two settings with the same prompt and random numbers."""

    left: SideFacts
    right: SideFacts
    first_difference: list[Count | None]  # the first token that differs, by reply; null: none


class CellFacts(TypedDict):
    """One cell of the grid; means are over all tokens of all replies."""

    layer: Count
    alpha: float
    kl_nats: float | None
    fluency_nats: float | None
    templates: Count  # distinct ones among the replies
    strength: float | None  # norm of what is added over the hidden state's
    accuracy: Share | None  # mean few-shot accuracy of these templates, with --fitness
    not_scored: Count  # of these templates, those that a run would not score


class GridFacts(TypedDict):
    """Layers and alphas; the other keys are the setting's."""

    setting: Annotated[dict[str, Any], Dumped(SteeringSetting)] | None
    cells: list[CellFacts]


class FoundFacts(TypedDict):
    """What was found; parts that were not tried are not there."""

    warnings: NotRequired[list[str]]  # what a user should know of the direction
    comparison: NotRequired[ComparedFacts]
    grid: NotRequired[GridFacts]
    lens: NotRequired[list[Annotated[dict[str, Any], Dumped(LayerLens)]]]


class SteerFacts(FoundFacts):
    """Whose hidden states were steered, and what was found."""

    llm: str
    positive: str
    negative: str


@dataclass(frozen=True)
class SteerReport:
    """What an experiment of the lab found; empty parts were not tried.

    ``settings`` are those of the left and the right replies of ``pairs``. ``setting`` holds what
    all cells have in common, and the run's own layers and alpha. ``remarks``: on the direction.
    """

    settings: tuple[SteeringSetting, SteeringSetting] | None = None
    pairs: Sequence[tuple[TracedReply, TracedReply]] = ()
    setting: SteeringSetting | None = None
    cells: Sequence[CellMeasured] = ()
    lens: Sequence[LayerLens] = ()
    remarks: Sequence[Remark] = ()


def print_report(report: SteerReport, console: Console) -> None:
    """Print the parts that there are, as wide as ``console``; readable without colour.

    Characters are ASCII where the console's encoding is not Unicode.
    """
    ascii_only = not console.encoding.lower().startswith("utf")
    width = console.width
    parts: list[list[Line]] = []
    if report.remarks:
        parts.append([_remark_line(remark) for remark in report.remarks])
    if report.settings is not None and report.pairs:
        left, right = zip(*report.pairs, strict=True)
        parts.append(comparison_lines(left, right, report.settings, width, ascii_only))
    if report.cells:
        parts.append(grid_lines(report.cells, report.setting, ascii_only))
    if report.lens:
        steered = report.setting.layers if report.setting is not None else ()
        parts.append(lens_lines(report.lens, width, steered, ascii_only))
    if not parts:
        parts.append([(("Nothing was measured.", ""),)])
    for i, lines in enumerate(parts):
        if i:
            console.print()
        for line in lines:
            console.print(_text(line), soft_wrap=True)


def _remark_line(remark: Remark) -> Line:
    warning = remark.level == "warning"
    return ((f"{'! ' if warning else ''}{clean(remark.text)}", "note" if warning else "dim"),)


def _text(line: Line) -> Text:
    text = Text()
    for part, style in line:
        text.append(part, _STYLES[style])
    text.rstrip()
    return text


def grid_lines(
    cells: Sequence[CellMeasured], setting: SteeringSetting | None, ascii_only: bool = False
) -> list[Line]:
    """One line for each cell, in less than 80 cells; the run's own is marked."""
    scored = any(cell.accuracy is not None for cell in cells)
    lines: list[Line] = []
    if setting is not None:
        unit = "relative to the norm" if setting.alpha_unit == "relative" else "absolute"
        about = f"{setting.mode}, alpha {unit}, pool {setting.pool}"
        lines.append(((about, "strong"),))
    accuracy = "  accuracy" if scored else ""
    known = any(cell.strength is not None for cell in cells)
    adds = "    adds" if known else ""
    lines.append(((f"  layer   alpha{adds}        KL   fluency  templates{accuracy}", "strong"),))
    before: int | None = None
    for cell in cells:
        own = _is_own(cell, setting)
        layer = str(cell.layer) if cell.layer != before else ""
        level = kl_level(cell.kl)
        text = (
            f"{'*' if own else ' '} {layer:>5} {cell.alpha:>7g}{_adds(cell) if known else ' '}"
            f"{ramp(ascii_only)[level]}"
            f" {number(cell.kl, 3):>7}  {number(cell.fluency, 2):>8}  {cell.templates:>9}"
        )
        if scored:
            share = "-" if cell.accuracy is None else f"{cell.accuracy:.1%}"
            text += f"  {share:>8}"
        lines.append(((text, "mark" if own else ""),))
        before = cell.layer
    refused = [cell for cell in cells if cell.refused]
    if refused:
        about = counted(sum(cell.refused for cell in refused), "template")
        lines.append(((f"{about} not scored: {clean(refused[0].why_refused)}", "dim"),))
    if any(_is_own(cell, setting) for cell in cells):
        lines.append((("* what the run steers with", "dim"),))
    if known:
        about = f"adds: norm of what is added over the hidden state's; !: {BREAKING:.0%} or more, "
        lines.append(((f"{about}may break replies", "dim"),))
    lines.append(((kl_legend(ascii_only), "dim"),))
    return lines


def _adds(cell: CellMeasured) -> str:
    """The strength of a cell, marked where it is likely to break replies."""
    if cell.strength is None:
        return f"{'-':>8} "
    return f"{cell.strength:>8.0%}{'!' if cell.strength >= BREAKING else ' '}"


def _is_own(cell: CellMeasured, setting: SteeringSetting | None) -> bool:
    own = setting is not None and setting.mode != "off" and setting.layers == (cell.layer,)
    return own and setting is not None and setting.alpha == cell.alpha


def report_as_dict(report: SteerReport) -> FoundFacts:
    """The same, ready for JSON: what is measured in nats ends in ``_nats``; NaN becomes None."""
    result: FoundFacts = {}
    if report.remarks:
        result["warnings"] = [r.text for r in report.remarks if r.level == "warning"]
    if report.settings is not None and report.pairs:
        left, right = zip(*report.pairs, strict=True)
        result["comparison"] = {
            "left": _side(report.settings[0], left),
            "right": _side(report.settings[1], right),
            "first_difference": [first_difference(a, b) for a, b in report.pairs],
        }
    if report.cells:
        result["grid"] = {
            "setting": report.setting.model_dump(mode="json") if report.setting else None,
            "cells": [_cell(cell) for cell in report.cells],
        }
    if report.lens:
        result["lens"] = [layer.model_dump(mode="json") for layer in report.lens]
    return result


def _side(setting: SteeringSetting, replies: Sequence[TracedReply]) -> SideFacts:
    return {
        "setting": setting.model_dump(mode="json"),
        "kl_nats": _finite(mean_kl(replies)),
        "fluency_nats": _finite(mean_fluency(replies)),
        "replies": [
            {
                "text": reply.text,
                "tokens": list(reply.tokens),
                "kl_nats": [_finite(value) for value in reply.kl],
                "log_likelihoods_nats": [_finite(value) for value in reply.log_likelihoods],
                "mean_kl_nats": _finite(mean_kl([reply])),
                "fluency_nats": _finite(mean_fluency([reply])),
            }
            for reply in replies
        ],
    }


def _cell(cell: CellMeasured) -> CellFacts:
    return {
        "layer": cell.layer,
        "alpha": cell.alpha,
        "kl_nats": _finite(cell.kl),
        "fluency_nats": _finite(cell.fluency),
        "templates": cell.templates,
        "strength": cell.strength,
        "accuracy": cell.accuracy,
        "not_scored": cell.refused,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""What ``glov steer`` prints, at 80 columns, without colour, and as JSON."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.cells import cell_len
from rich.console import Console

from engine.run.experiment import CellMeasured, SteeringSetting
from glov_tui.commands.steer_report import SteerReport, print_report, report_as_dict
from tests.support.sessions import lens_read, measured, traced

OFF = SteeringSetting(mode="off", layers=())
SETTING = SteeringSetting(layers=(3,), alpha=0.5)
REPORT = SteerReport(
    settings=(OFF, SETTING),
    pairs=[
        (traced(["a", " dim", " cup"], 0.0), traced(["a", " bright", " cup", "\x1b[2J"], 0.5, -3)),
        (traced(["same"]), traced(["same"])),
    ],
    setting=SETTING,
    cells=[measured(n, alpha, 0.5 if n else None).found for n in (0, 3) for alpha in (0.5, 1.0)],
    lens=lens_read(token=" \x1b[31m[red]").found.layers,
)


def printed(report: SteerReport, encoding: str = "utf-8", width: int = 80) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    print_report(report, Console(file=stream, width=width, no_color=True))
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 120])
def test_all_parts_fit_and_are_harmless(width) -> None:
    text = printed(REPORT, width=width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text and "[red]" in text
    assert "right: last-token, layer 3, alpha 0.5" in text
    assert "KL 0.500, fluency -3.00" in text
    assert "▸·bright" in text and "the same" in text
    assert "*     3     0.5 ▅   0.500     -1.50          3     50.0%" in text.splitlines()


def test_a_console_without_unicode_gets_ascii() -> None:
    assert printed(REPORT, "ascii").isascii()


def test_nothing_measured_says_so() -> None:
    assert printed(SteerReport()) == "Nothing was measured.\n"
    assert report_as_dict(SteerReport()) == {}


def test_json_has_the_same_and_no_nan() -> None:
    broken = CellMeasured(layer=1, alpha=1, kl=math.nan, fluency=-math.inf, templates=0)
    report = SteerReport(
        settings=REPORT.settings,
        pairs=[*REPORT.pairs, (traced([]), traced([]))],
        setting=SETTING,
        cells=[*REPORT.cells, broken],
        lens=REPORT.lens,
    )
    result = json.loads(json.dumps(report_as_dict(report), allow_nan=False))
    comparison = result["comparison"]
    assert comparison["first_difference"] == [1, None, None]
    assert comparison["right"]["replies"][0]["kl_nats"] == [0.5] * 4
    assert comparison["right"]["replies"][0]["fluency_nats"] == -3.0
    assert comparison["left"]["setting"]["mode"] == "off"
    assert result["grid"]["cells"][-1]["kl_nats"] is None
    assert result["grid"]["cells"][2]["accuracy"] == 0.5
    assert result["lens"][0]["raised"][0] == [" \x1b[31m[red]", 3.5]

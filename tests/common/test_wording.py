"""Numbers in sentences: one of a thing is no plural, wherever a number is printed."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from engine.common.wording import counted, listed, numbers
from tests.support import ROOT

NOUNS = (
    "steps|images|templates|classes|tokens|candidates|replies|runs|layers|facts|bytes|lines|pairs"
    "|shots|class names|threads|cores"
)
SURELY_MANY = re.compile(  # numbers that are never one, by what they are
    r"(?:grid has|would have) \{count:,\} runs|"  # more than the most there may be
    r"MOST[_:]|EXACT_PAIRS|needed\} pairs|len\(good\)|len\(lines\)\} templates|len\(part\)"
    r"|\blimit\}|trial\.replies|len\(layers\)\} layers x|own\.st_size\} bytes|len\(line\)\} bytes"
    r"|len\(name\.encode\(\)\)|of \{of_all"  # of which fewer were looked at
    r"|\{(?:room|total|announced|size|own|member\.size):,\} bytes"  # of files and disks
    r"|entry\.test|\{test:,\} test images|\{count\} classes|len\(items\)|len\(missing\)"  # of the
    r"|len\(names\)\} classes|\{split\} images"  # catalogue's data sets, and no number at all
)


@pytest.mark.parametrize(
    ("number", "noun", "plural", "expected"),
    [
        (0, "step", None, "0 steps"),
        (1, "step", None, "1 step"),
        (2, "step", None, "2 steps"),
        (1, "class", "classes", "1 class"),
        (1000, "class", "classes", "1,000 classes"),
        (1, "more step", None, "1 more step"),
    ],
)
def test_one_is_no_plural(number: int, noun: str, plural: str | None, expected: str) -> None:
    assert counted(number, noun, plural) == expected


def test_no_number_stands_before_a_plural_by_itself() -> None:
    written = re.compile(rf"\}} (?:more |new |decoder |(?:training|test) )?(?:{NOUNS})\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in ("engine", "glov_tui")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "demo" not in path.parts  # its training prints for those who train it
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if written.search(line) and not SURELY_MANY.search(line)
    ]
    assert found == []


def test_a_list_has_its_word_before_the_last() -> None:
    assert [listed("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert listed(["x", "y"], "or") == "x or y"


@pytest.mark.parametrize(
    ("values", "said"),
    [([0], "0"), ([2, 0, 1], "0, 1, 2"), (range(9), "0 to 8"), ([*range(4), 7, 8], "0 to 3, 7, 8")],
)
def test_many_numbers_in_a_row_are_one_range(values: Iterable[int], said: str) -> None:
    assert numbers(values) == said

"""What the tests of screens share: the style sheets, parsed once for all apps of a process."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet


@pytest.fixture(scope="session", autouse=True)
def _styles_parsed_once() -> Iterator[None]:
    """Textual parses the style sheets of all widgets anew in each app: a tenth of its start.

    Rules are not changed once they are parsed: the screens of one app share them too.
    """
    parse = Stylesheet._parse_rules
    known: dict[Hashable, list[Any]] = {}

    def parsed(sheet: Stylesheet, *arguments: Any, **named: Any) -> list[Any]:
        variables = frozenset(sheet._variables.items())
        key = (variables, arguments, *sorted(named.items()))
        if key not in known:
            known[key] = parse(sheet, *arguments, **named)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield

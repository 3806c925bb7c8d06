"""Options that take several values behind one name: ``--seeds 0 1 2``."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperCommand


class SeveralValues(TyperCommand):
    """A command whose options in ``SEVERAL`` may be followed by any number of values.

    For Click each value has the option's name before it; commas part values too.
    """

    SEVERAL: ClassVar[tuple[str, ...]] = ("--datasets", "--methods", "--seeds")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click's."""
        return super().parse_args(ctx, list(_spread(args, self.SEVERAL)))


def _spread(args: list[str], several: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    option = ""
    for arg in args:
        name, equals, value = arg.partition("=")
        if name in several:
            option = name
            if not equals:
                found.append(name)  # its first value is next
                continue
            arg = value
        elif arg.startswith("-") or not option:
            option = ""
            found.append(arg)
            continue
        first = bool(found) and found[-1] == option
        values = [part for part in arg.split(",") if part.strip()] or [arg]
        for number, part in enumerate(values):
            found += [part] if first and not number else [option, part]
    return found

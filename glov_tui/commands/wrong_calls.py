"""What is said of a wrong call: in glov's words, and cleaned, for it quotes the command line, where
a shell may have put any name.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

from glov_tui.commands.driving import has_terminal
from glov_tui.common.text import clean

_BELOW_0 = re.compile(r"-\.?\d")


class CleaningGroup(TyperGroup):
    """Commands whose messages on a wrong call do nothing to the terminal.

    Without any it is the help that is shown, where no list of runs can be.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click's."""
        self.no_args_is_help = not has_terminal()
        return super().parse_args(ctx, args)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """As Click's, for the options of all commands."""
        with _cleaned():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """As Click's, for a command and its own options."""
        with _cleaned():
            return super().invoke(ctx)


class NumbersCommand(TyperCommand):
    """A command among whose values there are numbers below 0, which are no options of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click's."""
        named = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        before = list(itertools.takewhile(lambda word: word != "--", args))
        options = [word.partition("=")[0] for word in before if word.startswith("--")]
        numbers = [word for word in before if _BELOW_0.match(word)]
        if all(option in named for option in options):
            ctx.ignore_unknown_options = bool(numbers)
        else:  # an option that there is none of is said to be none, and taken for no value
            args = [word for word in args if word not in numbers]
        return super().parse_args(ctx, args)


@contextlib.contextmanager
def _cleaned() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # Click's own, of which Typer may have a copy
            said = _in_our_words(error.__cause__) or error.message  # type: ignore[attr-defined]
            error.message = clean(said, keep_newlines=True)  # type: ignore[attr-defined]
        raise


def _in_our_words(cause: BaseException | None) -> str | None:
    """What is wrong with an option's value, where pydantic found it for Typer."""
    from pydantic import ValidationError  # not before the first paint

    if not isinstance(cause, ValidationError):
        return None
    from engine.common.validation import problem, shown

    first = cause.errors()[0]
    return f"{shown(first['input'])}: {problem(first)}"

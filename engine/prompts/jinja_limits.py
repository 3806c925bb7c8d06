"""Jinja templates that come from elsewhere, rendered within limits.

A chat template comes with a model, a meta-prompt's from a file that somebody may have passed on.
Both are rendered in Jinja's sandbox, which keeps them from the rest of the program but not from
running for ever or filling the memory. So the lines that they execute are counted, and operators
that make much of little (``*``, ``**``, ``%``) are bounded. Filters that work long on a long text
run into a limit of CPU time, which is looked at whenever they call something.
"""

from __future__ import annotations

import functools
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jinja2 import TemplateRuntimeError
from jinja2.sandbox import SandboxedEnvironment

LINES = 2_000_000
"""Lines of compiled template; a loop takes some 3 to 10 for each item."""

MEMORY_BYTES = 1 << 30
"""How much the process may grow meanwhile, beyond what it has had before."""

SECONDS = 10.0
"""CPU time of the thread that renders; honest templates take milliseconds."""

LONGEST = 1_000_000  # characters, items, or bits of a number that an operator may make

_COMPILED = "<template>"  # the file name of what Jinja compiles from text
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


class OverLimitError(TemplateRuntimeError):
    """A template went beyond the limits; it would do so again."""


class _OverTheLimit(BaseException):
    """Not caught by what is called on the way."""


@contextmanager
def limited_rendering(
    lines: int | None = None, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS
) -> Iterator[None]:
    """Render templates within limits; works on every thread, for what that thread renders.

    ``lines`` are ``LINES`` where nothing else is said.

    Raises:
        OverLimitError: if a template goes beyond them.
    """
    lines = LINES if lines is None else lines
    left = lines
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + memory_bytes // _MAXRSS_UNIT
    end = time.thread_time() + seconds

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if event == "call" and time.thread_time() > end:
            raise _OverTheLimit(f"the template takes more than {seconds:g} s")
        if frame.f_code.co_filename != _COMPILED:
            return None
        left -= 1
        if left < 0:
            raise _OverTheLimit(f"the template did not end within {lines} of its lines")
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > most:
            raise _OverTheLimit("the template takes too much memory")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    except _OverTheLimit as error:
        raise OverLimitError(str(error)) from None
    except MemoryError:
        raise OverLimitError("the template takes too much memory") from None
    finally:
        sys.settrace(before)


def limit_chat_template(tokenizer: Any) -> None:
    """Have a tokenizer, or a processor, render its chat template within limits."""
    render: Callable[..., Any] = tokenizer.apply_chat_template

    @functools.wraps(render)  # its parameters are looked at
    def limited(*arguments: Any, **options: Any) -> Any:
        with limited_rendering():
            return render(*arguments, **options)

    tokenizer.apply_chat_template = limited


def _times(left: Any, right: Any) -> Any:
    for some, count in ((left, right), (right, left)):
        if isinstance(some, str | list | tuple | bytes) and isinstance(count, int):
            _check(len(some) * count)
    if isinstance(left, int) and isinstance(right, int):
        _check(left.bit_length() + right.bit_length())
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check(left.bit_length() * right)
    return left**right


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str):  # a format: widths and precisions
        if "*" in left:
            raise OverLimitError("a format's width must be written out")
        for width in re.findall(r"\d+", left):
            _check(int(width[:20]))
    return left % right


def _check(size: int) -> None:
    if size > LONGEST:
        raise OverLimitError(f"an operator would make {LONGEST} characters or more")


# For every sandbox of the process: transformers makes its own, and hands out none to limit. An
# operator that is intercepted is not worked out when a template is compiled, either.
SandboxedEnvironment.intercepted_binops = frozenset({"*", "**", "%"})
SandboxedEnvironment.default_binop_table = {
    **SandboxedEnvironment.default_binop_table,
    "*": _times,
    "**": _power,
    "%": _remainder,
}

"""What libraries raise while a model is loaded, said in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.common.errors import ModelError
from engine.models.memory import is_out_of_memory

LONGEST = 400
"""Characters of a library's own message that are shown."""


@contextmanager
def in_words(too_large: str, words: Callable[[Exception, str], str]) -> Iterator[None]:
    """Turn whatever is raised into a ``ModelError``; one that is none already.

    Args:
        too_large: what is said where the memory runs out.
        words: what is said of any other error, given with its whole message on one line: a long
            path may stand before what tells errors apart.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelError(too_large) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(words(error, reason)) from error

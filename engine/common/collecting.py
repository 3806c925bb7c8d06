"""When Python looks for garbage: not while libraries are imported or journals read, of which
nothing is garbage.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 500
"""Modules: fewer than these are looked through with the rest."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Do without cyclic garbage collection, a quarter of the time of imports and long journals.

    Millions of objects are made, and all stay: where many modules came, they are not looked
    through later either. Where collection is switched off already, that is left as it is.
    """
    if not gc.isenabled():
        yield
        return
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) - before > MANY:
            gc.freeze()
        gc.enable()

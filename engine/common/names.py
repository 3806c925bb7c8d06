"""Names of files and folders: as bytes, as text, in order, and when two are the same name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def encode_name(name: str) -> bytes:
    """Bytes of a file name, also of one that isn't valid Unicode."""
    return name.encode("utf-8", "surrogateescape")


def readable_name(name: str) -> str:
    r"""A file name as valid Unicode text: a byte that is no UTF-8 is written as ``\xe9``.

    Such names come from other systems' archives. Python gives them with lone surrogates, which
    neither JSON nor a tokenizer takes.
    """
    if name.isascii():
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no file's name: half of a surrogate pair
        return name.encode("utf-8", "backslashreplace").decode()


def same_name(name: str) -> str:
    """The key by which names are one: macOS stores letters with accents decomposed (NFD), other
    systems as they were typed, mostly composed (NFC).
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts ``class2`` before ``class10`` and is the same on every file system."""
    parts = [
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name.casefold())
    ]
    return parts, name


def quoted(name: str) -> str:
    r"""A name or text in quotes, to be read: ``'caf\xe9'``, ``'C:\data'``, on one line."""
    return repr(readable_name(name)).replace("\\\\", "\\")


def some_names(names: Sequence[str], limit: int = 5) -> str:
    """``names`` in quotes and joined, cut after ``limit`` of them."""
    shown = ", ".join(map(quoted, names[:limit]))
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``name`` is most likely meant to be; None if none is like it.

    Letter case, spaces and punctuation make no difference: EuroSAT, CIFAR-10 and "Oxford Flowers"
    are eurosat, cifar10 and oxford-flowers.
    """
    plain = {_plain(one): one for one in known}
    near = get_close_matches(_plain(name), plain, n=1)
    return plain[near[0]] if near else None


def what_there_is(name: str, known: Sequence[str]) -> str:
    """What to say of a name that is not there, behind a semicolon: the nearest one, and all."""
    near = nearest(name, known)
    listed = f"here are {', '.join(known)}"
    return f"t{listed}" if near is None else f"did you mean {quoted(near)}? T{listed}"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())

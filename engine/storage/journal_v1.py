"""Journals of version 1: read as if version 2 had been written.

Version 1 had no checksums, and named the classes in each score: ``{"cup": [3, 5], ...}``. Version
2 has the hits of each class by position, and the images of each class once, in models-loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from engine.run.events import JOURNAL_VERSION


def upgraded(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Each line as version 2 has it, without its checksum.

    What is no fact of version 1 comes back as it is, for its reader to say what is wrong with it.
    """
    facts = [_fact(line) for line in lines]
    names: list[str] = []
    for number, (line, fact) in enumerate(zip(lines, facts, strict=True)):
        match fact:
            case {"kind": "run-started", "journal_version": 1}:
                yield _line({**fact, "journal_version": JOURNAL_VERSION})
            case {"kind": "models-loaded", "class_names": [*found]}:
                names = [name for name in found if isinstance(name, str)]
                sizes = _by_position(_first_counts(facts[number:]), names, 1)
                yield _line({**fact, "class_sizes": sizes})
            case {"kind": "template-scored", "class_hits": dict(counts)} if _known(counts, names):
                yield _line({**fact, "class_hits": _by_position(counts, names, 0)})
            case _:
                yield line


def _fact(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _line(fact: dict[str, Any]) -> bytes:
    return json.dumps(fact, separators=(",", ":")).encode()


def _first_counts(facts: Sequence[Any]) -> dict[str, Any]:
    """Hits and images by class of the next score: all scores have the same images."""
    for fact in facts:
        match fact:
            case {"kind": "template-scored", "class_hits": dict(counts)}:
                return counts
    return {}


def _known(counts: dict[str, Any], names: Sequence[str]) -> bool:
    """Whether these are counts of classes of the data set."""
    pairs = all(isinstance(pair, list) and len(pair) == 2 for pair in counts.values())
    return pairs and counts.keys() <= set(names)


def _by_position(counts: dict[str, Any], names: Sequence[str], which: int) -> list[Any]:
    """Hits (0) or images (1) of each class; classes without any image were not written."""
    if not counts or not _known(counts, names):
        return []
    return [counts[name][which] if name in counts else 0 for name in names]

"""Answers of VLMs, kept so that none is written twice: in memory, and on disk for later runs.

One file per (model, question) in a folder, of one line per image: a hash of the image's content,
the answer, and a hash of both. A line is added when an answer is written, so that a run that is
killed loses none; several processes may add to one file at once. A line that is not what was
written (cut off, damaged, of another file) counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.common.files import (
    append_private,
    close_to_others,
    make_folder,
    mark_used,
    read_small,
)
from engine.common.ownership import why_denied
from engine.vlm.encoder_decoder.prediction import Question

MOST_BYTES = 2**29
"""Of all files of a folder; the ones not used for longest make room."""

MOST_CHARACTERS = 2**25
"""Of the answers that are in memory."""

_ENDING = ".jsonl"


class AnswerCache:
    """The answers of one model. One thread at a time."""

    def __init__(
        self,
        model_key: str,
        digests: Mapping[str, int],
        folder: Path | None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        Args:
            model_key: says all that an answer depends on beside image and question.
            digests: hashes of the images' content, by path.
            folder: None to keep them in memory only.
            report: gets a sentence where a file is damaged, or can't be read or written.
        """
        self._model_key = model_key
        self._digests = digests
        self._folder = folder
        self._report = report
        self._held: dict[str, dict[int, str]] = {}  # by key of a question; used last at the end
        self._characters = 0

    def known(self, images: Sequence[str], question: Question) -> dict[int, str]:
        """The answers that are known, by the index of their image."""
        answers = self._of(question)
        digests = [self._digests[path] for path in images]
        return {i: answers[digest] for i, digest in enumerate(digests) if digest in answers}

    def put(self, images: Sequence[str], question: Question, answers: Sequence[str]) -> None:
        """Keep what was answered about images."""
        held, key = self._of(question), self._key(question)
        lines = []
        for path, answer in zip(images, answers, strict=True):
            digest = self._digests[path]
            if digest not in held:
                held[digest] = answer
                self._characters += len(answer)
                lines.append(_line(key, digest, answer))
        if lines and self._folder is not None:
            self._add(self._folder, key, "".join(lines))
        while self._characters > MOST_CHARACTERS and len(self._held) > 1:
            oldest = next(iter(self._held))
            self._characters -= sum(map(len, self._held.pop(oldest).values()))

    def _of(self, question: Question) -> dict[int, str]:
        key = self._key(question)
        held = self._held.pop(key, None)
        if held is None:
            held = self._read(self._folder, key) if self._folder is not None else {}
            self._characters += sum(map(len, held.values()))
        self._held[key] = held
        return held

    def _key(self, question: Question) -> str:
        described = json.dumps([self._model_key, question.text, question.tokens])
        return hashlib.sha256(described.encode()).hexdigest()[:40]

    def _read(self, folder: Path, key: str) -> dict[int, str]:
        path = folder / f"{key}{_ENDING}"
        try:
            content = read_small(path, MOST_BYTES)
            mark_used(path)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._report(f"{path}: answers kept there can't be read: {why_denied(error, path)}")
            return {}
        found: dict[int, str] = {}
        damaged = False
        for line in content.split(b"\n"):
            if line:
                read = _read_line(key, line)
                damaged = damaged or read is None
                if read is not None:
                    found[read[0]] = read[1]
        if damaged:
            self._report(f"{path}: some of it is not what was kept there; those are asked again")
        return found

    def _add(self, folder: Path, key: str, lines: str) -> None:
        path = folder / f"{key}{_ENDING}"
        try:
            if not path.exists():
                make_folder(folder)
                close_to_others(folder)
                _make_room(folder)
            append_private(path, f"\n{lines}")  # behind a line that was cut off
        except OSError as error:
            self._report(f"{folder}: answers can't be kept there: {why_denied(error, folder)}")
            self._folder = None


def _line(key: str, digest: int, answer: str) -> str:
    return f"{json.dumps([f'{digest:016x}', answer, _check(key, digest, answer)])}\n"


def _read_line(key: str, line: bytes) -> tuple[int, str] | None:
    """The image and its answer; None where a line is not what was written for this key."""
    try:
        image, answer, check = json.loads(line)
        digest = int(image, 16)
        if isinstance(answer, str) and check == _check(key, digest, answer):
            return digest, answer
    except (ValueError, TypeError, RecursionError):
        pass
    return None


def _check(key: str, digest: int, answer: str) -> str:
    described = json.dumps([key, digest, answer])
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _make_room(folder: Path) -> None:
    """Take away the files that were not used for longest, until there is room for as much again."""
    most = MOST_BYTES
    files = []
    for path in folder.glob(f"*{_ENDING}"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            files.append((found.st_mtime, found.st_size, path))
    taken = sum(size for _, size, _ in files)
    if taken <= most:
        return
    for _, size, path in sorted(files):
        if taken <= most // 2:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            taken -= size

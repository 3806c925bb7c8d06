"""The image prefixes of a data set: read once, kept while there is room, handed out in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.images import read_image
from engine.data.sources import ImageSource
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, read_prefix


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Images that are read together: their prefixes have one length and one next position."""

    rows: tuple[int, ...]
    prefixes: tuple[ImagePrefix, ...]


class ImagePrefixes:
    """The keys and values of images, kept while there is room for them: all questions share them.

    One thread at a time.
    """

    def __init__(
        self,
        model: Any,
        questions: Questions,
        images: ImageSource,
        *,
        batch: int = 16,
        room: int = 2**30,
    ) -> None:
        """
        Args:
            model: an image-text-to-text model of transformers.
            questions: makes its inputs.
            images: where they lie.
            batch: images in a group.
            room: bytes that prefixes may take while they are kept.
        """
        self._model = model
        self._questions = questions
        self._images = images
        self._batch = batch
        self._room = room
        self._held: dict[str, ImagePrefix] = {}
        self._held_bytes = 0

    def of(self, path: str) -> ImagePrefix:
        """The prefix of one image."""
        if path in self._held:
            return self._held[path]
        image = read_image(self._images.file(path))
        prefix = read_prefix(self._model, self._questions.prefix(image))
        if self._held_bytes + prefix.bytes <= self._room:
            self._held[path] = prefix
            self._held_bytes += prefix.bytes
        return prefix

    def groups(self, paths: Mapping[int, str]) -> Iterator[PrefixGroup]:
        """Images by row in batches of one length each; a batch is full, or no image is left."""
        waiting: dict[tuple[int, int], list[tuple[int, ImagePrefix]]] = {}
        for row, path in paths.items():
            prefix = self.of(path)
            group = waiting.setdefault((prefix.length, prefix.next_position), [])
            group.append((row, prefix))
            if len(group) == self._batch:
                yield _grouped(waiting.pop((prefix.length, prefix.next_position)))
        for group in waiting.values():
            yield _grouped(group)


def _grouped(members: Sequence[tuple[int, ImagePrefix]]) -> PrefixGroup:
    rows, prefixes = zip(*members, strict=True)
    return PrefixGroup(rows, prefixes)

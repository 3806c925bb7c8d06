"""The image prefixes of a data set: read once, kept while there is room, handed out in batches.

What is kept of an image, best first: its prefix on the model's device, its prefix in the host's
memory, what the vision tower made of it, in memory or on disk. Without any of these it is decoded
again, on a thread, ahead of when it is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.common.wording import counted
from engine.data.images import UnreadableImageError, read_image
from engine.data.sources import ImageSource
from engine.models.memory import free_memory, is_out_of_memory
from engine.vlm.encoder_decoder.prefix_memory import PrefixMemory, bytes_per_token
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, Inputs, read_prefixes
from engine.vlm.encoder_decoder.room import Room
from engine.vlm.encoder_decoder.seen_on_disk import SeenOnDisk
from engine.vlm.encoder_decoder.vision_features import SeenImage, VisionTower, handed_back, joined

_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.1}
"""By which keys and values read together may differ from those read alone, relative to their norm.
Those of another image differ by about 1."""

_WAITING = 4
"""Batches of images of other lengths that wait at most for more of their length."""

Report = Callable[[str], None]

_Shape = tuple[Any, ...]
_Known = ImagePrefix | SeenImage | Inputs


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Images that are read together: their prefixes have one length and one next position."""

    rows: tuple[int, ...]
    prefixes: tuple[ImagePrefix, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """An image of a group that is to be, and the best that is known of it."""

    row: int
    path: str
    known: _Known


class ImagePrefixes:
    """The keys and values of images, kept while there is room for them: all questions share them.

    Which images are read together depends on the images that are asked for and on nothing that was
    kept or let go, so numbers don't either. One thread at a time.
    """

    def __init__(
        self,
        model: Any,
        questions: Questions,
        images: ImageSource,
        *,
        batch: int = 16,
        memory: PrefixMemory | None = None,
        disk: SeenOnDisk | None = None,
        sizes: Mapping[str, tuple[int, int]] | None = None,
        report: Report = lambda _: None,
    ) -> None:
        """
        Args:
            model: an image-text-to-text model of transformers.
            questions: makes its inputs.
            images: where they lie.
            batch: images in a group, at most.
            memory: that what is kept may take.
            disk: where features are kept that memory has no room for.
            sizes: width and height of images, where they are known: those of a size are read
                one after the other.
            report: gets a sentence when memory runs out.
        """
        self._model = model
        self._questions = questions
        self._images = images
        self._batch = batch
        self._sizes = sizes or {}
        self._report = report
        self._tower = VisionTower(model)
        self._memory = memory or PrefixMemory()
        self._disk = disk
        self._prefixes: Room[ImagePrefix] = Room(0)
        self._on_host: Room[ImagePrefix] = Room(0)
        self._seen: Room[SeenImage] = Room(0)
        self._has_rooms = False
        self._shapes: dict[str, _Shape] = {}
        self._together: bool | None = None  # whether images may be read in batches, once it is seen
        self._per_token = bytes_per_token(model.config, model.dtype)

    def of(self, path: str) -> ImagePrefix:
        """The prefix of one image."""
        (group,) = self.groups({0: path})
        return group.prefixes[0]

    @property
    def longest(self) -> int:
        """Tokens of the longest prefix so far."""
        return max((shape[0] for shape in self._shapes.values()), default=0)

    def groups(self, paths: Mapping[int, str]) -> Iterator[PrefixGroup]:
        """Images by row in batches of one length each, those of a size after each other.

        Raises:
            ModelError: if memory runs out with a single image, or a file can't be read any more.
        """
        self._make_rooms()
        order = sorted(paths, key=lambda row: (self._sizes.get(paths[row], (0, 0)), row))
        waiting: dict[_Shape, list[_Member]] = {}
        for row, known in self._known(order, paths):
            path = paths[row]
            if path not in self._shapes:
                self._shapes[path] = _shape(self._rest(known))
            shape = self._shapes[path]
            waiting.setdefault(shape, []).append(_Member(row, path, known))
            if len(waiting[shape]) >= self._most_together(shape):
                yield from self._read(waiting.pop(shape))
            elif sum(map(len, waiting.values())) >= _WAITING * self._batch:
                yield from self._read(waiting.pop(max(waiting, key=lambda s: len(waiting[s]))))
        for members in waiting.values():
            yield from self._read(members)

    def after_out_of_memory(self, images: int) -> None:
        """Keep less from now on, and read fewer images at once, as it failed with so many.

        Call it outside ``except``: the error holds on to tensors.

        Raises:
            ModelError: if it was a single image, and nothing is kept that could make room.
        """
        held = self._prefixes.bytes
        self._prefixes.shrink(held // 2)
        free_memory()
        if images > 1:
            self._batch = min(self._batch, images // 2)
            self._report(
                f"out of memory on {self._model.device}: the VLM reads "
                f"{counted(self._batch, 'image')} at once from now on"
            )
        elif not held:
            raise ModelError(
                f"the VLM needs more memory than {self._model.device} has for a single image; "
                "choose a smaller vlm.model or another vlm.device"
            )

    # -- what is known of an image ---------------------------------------------------------

    def _known(
        self, order: Sequence[int], paths: Mapping[int, str]
    ) -> Iterator[tuple[int, _Known]]:
        """The rows in order with the best that is known; images are decoded a little ahead."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        ahead: deque[tuple[int, Future[Inputs] | None]] = deque()
        try:
            for row in order:
                path = paths[row]
                rooms = (self._prefixes, self._on_host, self._seen, self._disk or ())
                kept = any(path in room for room in rooms)
                ahead.append((row, None if kept else pool.submit(self._prepared, path)))
                if len(ahead) > 2 * self._batch:
                    yield self._best(*ahead.popleft(), paths)
            while ahead:
                yield self._best(*ahead.popleft(), paths)
        finally:  # also when it is given up half way
            pool.shutdown(wait=True, cancel_futures=True)

    def _best(
        self, row: int, prepared: Future[Inputs] | None, paths: Mapping[int, str]
    ) -> tuple[int, _Known]:
        path = paths[row]
        for room in (self._prefixes, self._on_host, self._seen):
            found = room.get(path)
            if found is not None:
                return row, found
        if prepared is None and self._disk is not None:
            seen = self._disk.get(path)
            if seen is not None:
                return row, seen
        return row, self._prepared(path) if prepared is None else prepared.result()

    def _prepared(self, path: str) -> Inputs:
        file = self._images.file(path)
        try:
            image = read_image(file)
        except UnreadableImageError as error:
            raise ModelError(f"{file}: the image could be read, and now can't: {error}") from error
        return self._questions.prefix(image)

    def _rest(self, known: _Known) -> Mapping[str, Tensor]:
        """The inputs without pixels; of a prefix they are known before."""
        if isinstance(known, ImagePrefix):
            raise AssertionError("an image has a prefix before it has inputs")
        return known.inputs if isinstance(known, SeenImage) else self._tower.rest(known)

    # -- reading ---------------------------------------------------------------------------

    def _read(self, members: Sequence[_Member]) -> Iterator[PrefixGroup]:
        if len(members) <= self._batch:  # it may have become less since they were put together
            try:
                prefixes = self._prefixes_of(members)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                yield PrefixGroup(tuple(m.row for m in members), tuple(prefixes))
                return
            self.after_out_of_memory(len(members))
        half = (len(members) + 1) // 2
        yield from self._read(members[:half])
        if members[half:]:
            yield from self._read(members[half:])

    def _prefixes_of(self, members: Sequence[_Member]) -> list[ImagePrefix]:
        found = {m.row: m.known for m in members if isinstance(m.known, ImagePrefix)}
        missing = [m for m in members if m.row not in found]
        read = self._read_together(missing) if missing else []
        for member, prefix in zip(missing, read, strict=True):
            found[member.row] = prefix
        return [found[m.row].at_home() for m in members]

    def _read_together(self, members: Sequence[_Member]) -> list[ImagePrefix]:
        """The prefixes of images, and what is worth it is kept."""
        seen = self._seen_images(members)
        if seen is None:
            read = [read_prefixes(self._model, _inputs(m.known))[0] for m in members]
            seen_or_not: Sequence[SeenImage | None] = [None] * len(members)
        else:
            read, seen_or_not = self._from_seen(seen), seen
        for member, prefix, own in zip(members, read, seen_or_not, strict=True):
            self._keep(member.path, prefix, own)
        return read

    def _seen_images(self, members: Sequence[_Member]) -> list[SeenImage] | None:
        """What the tower makes of them; None where that can't be handed back."""
        device = self._model.device
        found = {m.row: m.known.to(device) for m in members if isinstance(m.known, SeenImage)}
        by_shape: dict[_Shape, list[tuple[int, Inputs]]] = {}
        for member in members:
            if member.row not in found:
                inputs = _inputs(member.known)
                shape = tuple((name, tuple(value.shape)) for name, value in inputs.items())
                by_shape.setdefault(shape, []).append((member.row, inputs))
        for same in by_shape.values():
            seen = self._tower.see([inputs for _, inputs in same])
            if seen is None:
                return None
            for (row, _), one in zip(same, seen, strict=True):
                found[row] = one
        return [found[m.row] for m in members]

    def _from_seen(self, seen: Sequence[SeenImage]) -> list[ImagePrefix]:
        if len(seen) > 1 and self._together is not False:
            inputs = joined([one.inputs for one in seen])
            read = read_prefixes(self._model, inputs, handed_back(seen))
            if self._together is None:
                ends = [self._alone(seen[0]), self._alone(seen[-1])]
                self._together = all(map(self._same, ends, (read[0], read[-1])))
            if self._together:
                return read
        return [self._alone(one) for one in seen]

    def _alone(self, seen: SeenImage) -> ImagePrefix:
        return read_prefixes(self._model, seen.inputs, handed_back([seen]))[0]

    def _same(self, one: ImagePrefix, other: ImagePrefix) -> bool:
        """Whether two prefixes are those of one image."""
        if (one.length, one.next_position) != (other.length, other.next_position):
            return False
        pairs = zip(one.layers, other.layers, strict=True)
        tensors = [(a.float(), b.float()) for pair in pairs for a, b in zip(*pair, strict=True)]
        most = _TOLERANCE.get(self._model.dtype, 0.1)
        return all(bool((a - b).norm() <= most * b.norm()) for a, b in tensors)

    # -- room ------------------------------------------------------------------------------

    def _keep(self, path: str, prefix: ImagePrefix, seen: SeenImage | None) -> None:
        if self._prefixes.put(path, prefix, prefix.bytes):
            return
        host = torch.device("cpu")
        if self._model.device.type != "cpu" and self._on_host.fits(path, prefix.bytes):
            self._on_host.put(path, prefix.away(host), prefix.bytes)
        elif seen is not None and self._seen.fits(path, seen.bytes):
            self._seen.put(path, seen.to(host), seen.bytes)
        elif seen is not None and self._disk is not None:
            self._disk.put(path, seen)

    def _make_rooms(self) -> None:
        """Once: when the first images are read, all models are in memory."""
        if self._has_rooms:
            return
        self._has_rooms = True
        rooms = self._memory.rooms(self._model.device)
        self._prefixes, self._on_host, self._seen = (Room(most) for most in rooms)

    def _most_together(self, shape: _Shape) -> int:
        length: int = shape[0]
        return max(1, min(self._batch, self._memory.group_bytes // (self._per_token * length)))


def _inputs(known: _Known) -> Inputs:
    assert not isinstance(known, ImagePrefix | SeenImage)
    return known


def _shape(rest: Mapping[str, Tensor]) -> _Shape:
    """What images that are read together have in common: their length, and what isn't per token."""
    per_token = rest["input_ids"].shape
    others = [(n, v.tolist()) for n, v in sorted(rest.items()) if v.shape != per_token]
    return per_token[1], str(others)

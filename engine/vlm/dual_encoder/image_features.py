"""Image features of a list of files: decoded in threads, encoded in batches, kept on disk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.common.errors import ModelError
from engine.common.ownership import why_denied
from engine.data.images import UnreadableImageError, file_digest, read_image
from engine.data.sources import ImageFile, ImageSource
from engine.models.memory import free_memory, is_out_of_memory
from engine.vlm.feature_cache import FeatureCache, FeatureSet, cache_key

_DECODING_THREADS = min(8, os.cpu_count() or 1)
_BATCHES_AHEAD = 2

_Prepared = tuple[Tensor, int]
"""An image as the model takes it, and the hash of its file's content."""

Advance = Callable[[int, int], None]
"""Takes how many images are through, of how many."""


class ImageFeatures:
    """Encodes image files with an open_clip model. One thread at a time."""

    def __init__(
        self,
        model: nn.Module,
        preprocess: Callable[[Any], Tensor],
        device: torch.device,
        *,
        dtype: torch.dtype,
        batch: int,
        model_key: str,
        cache: FeatureCache | None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        Args:
            model: an open_clip model in eval mode on ``device``.
            preprocess: the model's eval transform, RGB image to (3, height, width).
            device: that the model is on.
            dtype: of the images that the model takes.
            batch: images encoded at once.
            model_key: all that the features depend on beside the image files.
            cache: where features are kept, or ``None``.
            report: gets a sentence when the cache or the memory gives trouble.
        """
        self._model = model
        self._preprocess = preprocess
        self._device = device
        self._dtype = dtype
        self._batch = batch
        self._model_key = model_key
        self._cache = cache
        self._report = report
        self.entries: list[str] = []  # keys of the cache that features came from or went to

    def of(self, images: ImageSource, paths: Sequence[str], advance: Advance) -> FeatureSet:
        """Features of the images at these paths, from the cache or computed now.

        Raises:
            ModelError: naming the image if a feature isn't a number, or if memory runs out with
                a single image.
        """
        key = cache_key(self._model_key, images, paths)
        if self._cache is not None and paths:
            self.entries.append(key)
        stored = self._cache.load(key, len(paths)) if self._cache else None
        if stored is not None and stored.digests is not None:
            advance(len(paths), len(paths))
            return stored
        found = self._compute(images, paths, advance)
        if self._cache is not None:
            try:
                self._cache.store(key, found)
            except OSError as error:
                self._report(
                    f"{self._cache.folder}: image features can't be kept there: "
                    f"{why_denied(error, self._cache.folder)}"
                )
        return found

    def _compute(self, images: ImageSource, paths: Sequence[str], advance: Advance) -> FeatureSet:
        parts: list[Tensor] = []
        kept: list[int] = []
        digests: list[int] = []
        unreadable: dict[int, str] = {}
        done = 0
        advance(0, len(paths))
        for decoded in self._decoded([images.file(path) for path in paths]):
            good = [
                (done + index, image[0])
                for index, image in enumerate(decoded)
                if not isinstance(image, str)
            ]
            digests += [image[1] for image in decoded if not isinstance(image, str)]
            for index, image in enumerate(decoded):
                if isinstance(image, str):
                    unreadable[done + index] = image
            if good:
                features = self._encode(torch.stack([image for _, image in good]))
                bad = (~torch.isfinite(features).all(dim=1)).nonzero()
                if len(bad):
                    which = images.file(paths[good[int(bad[0])][0]])
                    raise ModelError(
                        f"{which}: the VLM's feature of this image "
                        "is not a number; try vlm.precision = 'fp32'"
                    )
                parts.append(features)
                kept += [index for index, _ in good]
            done += len(decoded)
            advance(done, len(paths))
        features = torch.cat(parts) if parts else torch.zeros(0, 0)
        return FeatureSet(
            features.numpy(),
            np.array(kept, dtype=np.int64),
            unreadable,
            np.array(digests, dtype=np.uint64),
        )

    def _decoded(self, files: Sequence[ImageFile]) -> Iterator[list[_Prepared | str]]:
        """Batches of prepared images, or of reasons why there is none; decoded a little ahead."""
        size = self._batch
        starts = range(0, len(files), size)
        pending: deque[list[Future[_Prepared | str]]] = deque()
        pool = ThreadPoolExecutor(_DECODING_THREADS, thread_name_prefix="decode")
        try:
            for start in starts:
                pending.append([pool.submit(self._prepare, f) for f in files[start : start + size]])
                if len(pending) > _BATCHES_AHEAD:
                    yield [future.result() for future in pending.popleft()]
            while pending:
                yield [future.result() for future in pending.popleft()]
        finally:  # also when loading is given up half way
            pool.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, file: ImageFile) -> _Prepared | str:
        try:
            return self._preprocess(read_image(file)), file_digest(file)
        except UnreadableImageError as error:
            return str(error)

    @torch.inference_mode()
    def _encode(self, images: Tensor) -> Tensor:
        """(n, 3, height, width) on the CPU to (n, d) float32, L2-normalised, on the CPU."""
        parts: list[Tensor] = []
        start = 0
        while start < len(images):
            batch = images[start : start + self._batch]
            try:
                moved = batch.to(device=self._device, dtype=self._dtype)
                features = self._model.encode_image(moved, normalize=False)  # type: ignore[operator]
                parts.append(nn.functional.normalize(features.float(), dim=-1).cpu())
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                start += len(batch)
                continue
            self._halve(len(batch))
        return torch.cat(parts)

    def _halve(self, failed: int) -> None:
        if failed <= 1:
            raise ModelError(
                f"the VLM's image tower needs more memory than {self._device} has for a single "
                "image; choose a smaller vlm.model or another vlm.device"
            )
        free_memory()
        self._batch = failed // 2
        self._report(f"out of memory on {self._device}: image batches of {self._batch} from now on")

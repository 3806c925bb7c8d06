"""Reading tokens: from token ids to next-token logits, for all candidates of a step together.

Mode ``last-token`` means that a token's keys and values, as later tokens see them, are un-steered,
while its own logits are steered. So every token is read twice in the layers above the steered one,
once clean for the KV cache and once steered for its logits. Five layouts do that, and all give the
logits of re-reading everything (``engine.llm.decoding.probe`` checks each on the model at load):

- ``static``: as ``split``, in a cache at fixed addresses, in which steered tokens have slots of
  their own (``static_reader``): nothing is copied or cut off, and a CUDA graph can be made of it.
- ``split``: all candidates packed into one sequence with an explicit mask, so the prompt's keys and
  values are read once for all of them. At the output of the lowest steered layer the rows fork into
  clean and steered ones; the steered ones' keys and values are dropped after the step.
- ``packed``: the same, forked at the input already. For models whose layers take other arguments.
- ``window``: one row a candidate, no explicit mask. Each step reads two tokens, the one before
  (clean) and the newest (steered), and takes the newest off the cache again.
- ``twin``: two rows a candidate, a clean one and a steered one. After each step the steered one is
  made what the clean one is. For models whose state is overwritten by each token, so that nothing
  can be taken off it (recurrent layers), and for caches of a model's own kind.
- ``reread``: no cache. For models that none of the others is right for.

Without steering, and in modes that leave steered keys and values behind, the same readers read
each token once.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from engine.llm.decoding.decoder import Decoder, Layout, Reader
from engine.llm.decoding.static_reader import StaticReader
from engine.models.kv_cache import new_cache, truncate
from engine.models.row_memory import RowMemory
from engine.steering.injection import Injection


def make_reader(
    layout: Layout,
    decoder: Decoder,
    prompt: list[int],
    rows: int,
    max_new_tokens: int,
    injection: Injection | None = None,
) -> Reader:
    """A reader for up to ``rows`` candidates of up to ``max_new_tokens`` tokens each."""
    ids = torch.tensor([prompt], device=decoder.device)
    if layout == "window":
        return _WindowReader(decoder, ids, injection)
    if layout == "twin":
        return _TwinReader(decoder, ids, injection)
    if layout == "reread":
        return _RereadReader(decoder, ids, injection)
    if layout == "static":
        return StaticReader(decoder, ids, rows, max_new_tokens, injection)
    split = layout == "split"
    return _PackedReader(decoder, ids, rows, max_new_tokens, injection, split)


class PairedReader:
    """A steered reader and an un-steered one that read the same tokens: twice the work.

    For every mode and layout it has the distributions with and without the offset.
    """

    def __init__(self, steered: Reader, plain: Reader) -> None:
        self._steered = steered
        self._plain = plain
        self.unsteered: Tensor | None = None

    def first(self) -> Tensor:
        self.unsteered = self._plain.first()
        return self._steered.first()

    def next(self, tokens: Tensor) -> Tensor:
        self.unsteered = self._plain.next(tokens)
        return self._steered.next(tokens)

    def keep(self, rows: Tensor) -> None:
        self._plain.keep(rows)
        self._steered.keep(rows)


class _PackedReader:
    """Layouts ``split`` and ``packed``: one sequence, (1, S), with everything in it."""

    def __init__(
        self,
        decoder: Decoder,
        prompt: Tensor,
        rows: int,
        max_new_tokens: int,
        injection: Injection | None,
        split: bool,
    ) -> None:
        length = prompt.shape[1]
        slots = length + rows * max_new_tokens
        self._decoder = decoder
        self._prompt = prompt
        self._injection = injection
        self._fork = injection is not None and injection.clean_cache
        self.unsteered: Tensor | None = None
        self._split = split
        self._cache = new_cache(decoder.model.config, keep_all=True)
        # Per slot of the cache: whose token it is (-1: the prompt's, for all) and its position.
        self._owner = torch.full((slots,), -1, device=decoder.device)
        self._position = torch.zeros(slots, dtype=torch.long, device=decoder.device)
        self._position[:length] = torch.arange(length, device=decoder.device)
        self._used = length - 1
        self._next_position = length - 1
        self._rows = torch.arange(rows, device=decoder.device)
        windows = decoder.windows or (None,) * len(decoder.layers)
        reach = length + max_new_tokens
        self._windows = tuple(w if w is not None and w < reach else None for w in windows)

    @torch.inference_mode()
    def first(self) -> Tensor:
        if self._used:
            with _in_prompt(self._injection):
                self._decoder.logits(self._prompt[:, :-1], 1, self._cache)
        return self._read(self._prompt[0, -1:], torch.full((1,), -1, device=self._decoder.device))

    @torch.inference_mode()
    def next(self, tokens: Tensor) -> Tensor:
        return self._read(tokens.to(self._decoder.device), self._rows)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        self._rows = self._rows[rows.to(self._rows.device)]

    def _read(self, tokens: Tensor, owners: Tensor) -> Tensor:
        """One token of each owner, all at the same position."""
        count, start, position = len(tokens), self._used, self._next_position
        end = start + count
        self._owner[start:end] = owners
        self._position[start:end] = position
        injection = self._injection
        hooks: AbstractContextManager[None] = nullcontext()
        if injection is None:
            masks = self._masks(owners, end, fork=False)
        elif not self._fork:
            masks = self._masks(owners, end, fork=False)
            hooks = injection.in_reply(0)
        elif self._split:
            masks = self._masks(owners, end, fork=False)
            hooks = injection.forked(count, self._masks(owners, end, fork=True))
        else:
            masks = self._masks(owners, end, fork=True)
            hooks = injection.added(count)
            tokens = torch.cat([tokens, tokens])
        with hooks:
            logits = self._decoder.logits(
                tokens[None],
                2 * count if self._fork else count,
                self._cache,
                position_ids=torch.full_like(tokens, position)[None],
                attention_mask=self._decoder.mask_argument(masks),
            )
        if self._fork:
            truncate(self._cache, end)  # the steered keys and values
        self._used, self._next_position = end, position + 1
        if self._fork:
            self.unsteered = logits[0, :count]
        return logits[0, -count:]

    def _masks(self, owners: Tensor, end: int, fork: bool) -> tuple[Tensor, ...]:
        """Per layer an additive mask (1, 1, Q, K): 0 where a token sees a slot, else very low.

        With ``fork`` Q and K have ``len(owners)`` more: steered tokens, which see what the clean
        ones see, but each itself in place of its clean twin.
        """
        count = len(owners)
        slots, position = self._owner[:end], self._position[:end]
        sees = (slots == -1) | (slots == owners[:, None])
        if fork:
            nothing = sees.new_zeros(count, count)
            itself = torch.eye(count, dtype=torch.bool, device=sees.device)
            steered = torch.cat([sees[:, : end - count], nothing, itself], dim=1)
            sees = torch.cat([torch.cat([sees, nothing], dim=1), steered])
            position = torch.cat([position, position[-count:]])
        by_window: dict[int | None, Tensor] = {}
        for window in set(self._windows):
            near = sees if window is None else sees & (position > self._next_position - window)
            mask = torch.zeros(near.shape, dtype=self._decoder.model.dtype, device=near.device)
            mask.masked_fill_(~near, torch.finfo(mask.dtype).min)
            by_window[window] = mask[None, None]
        return tuple(by_window[window] for window in self._windows)


class _WindowReader:
    """Layout ``window``: one row a candidate; the clean reading of a token lags by one step."""

    def __init__(self, decoder: Decoder, prompt: Tensor, injection: Injection | None) -> None:
        self.unsteered: Tensor | None = None  # read one step later, or not at all
        self._decoder = decoder
        self._prompt = prompt
        self._injection = injection
        self._lag = injection is not None and injection.clean_cache
        self._cache = self._empty()
        self._before: Tensor | None = None  # (rows,), the tokens that the cache lacks

    def _empty(self) -> Any:
        cache = new_cache(self._decoder.model.config, keep_all=False)
        if self._lag:
            cache.activate_past_recording()  # else a full sliding window can't be cropped
        return cache

    @torch.inference_mode()
    def first(self) -> Tensor:
        if self._prompt.shape[1] > 1:
            with _in_prompt(self._injection):
                self._decoder.logits(self._prompt[:, :-1], 1, self._cache)
        return self._read(self._prompt[:, -1:])

    @torch.inference_mode()
    def next(self, tokens: Tensor) -> Tensor:
        tokens = tokens.to(self._decoder.device)
        if self._before is None:
            if self._lag and self._prompt.shape[1] == 1:
                self._cache = self._empty()  # nothing is in it, but it is one row's
            self._cache.reorder_cache(torch.zeros_like(tokens))  # all rows are the prompt's
            self._before = self._prompt[0, -1].expand(len(tokens))
        ids = torch.stack([self._before, tokens], dim=1) if self._lag else tokens[:, None]
        self._before = tokens
        return self._read(ids)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        if self._before is not None:
            rows = rows.to(self._decoder.device)
            self._before = self._before[rows]
            self._cache.reorder_cache(rows)

    def _read(self, ids: Tensor) -> Tensor:
        with self._injection.in_reply(ids.shape[1] - 1) if self._injection else nullcontext():
            logits = self._decoder.logits(ids, 1, self._cache)
        if self._lag:
            if not self._cache.is_croppable:  # it knows once it holds something
                raise RuntimeError("a state that each token overwrites stays behind in the cache")
            self._cache.crop(-1)
        return logits[:, -1]


class _TwinReader:
    """Layout ``twin``: rows of candidates, and where they are steered as many clean ones above."""

    def __init__(self, decoder: Decoder, prompt: Tensor, injection: Injection | None) -> None:
        self.unsteered: Tensor | None = None
        self._decoder = decoder
        self._prompt = prompt
        self._injection = injection
        self._twins = injection is not None and injection.clean_cache
        self._memory = RowMemory(decoder.model)
        self._spread = False  # whether every candidate has a row; before, all are the prompt's

    @torch.inference_mode()
    def first(self) -> Tensor:
        if self._prompt.shape[1] > 1:
            with _in_prompt(self._injection):
                self._decoder.remembered(self._prompt[:, :-1], self._memory)
            if self._twins:
                self._take(torch.zeros(1, dtype=torch.long))
        return self._read(self._prompt[0, -1:])

    @torch.inference_mode()
    def next(self, tokens: Tensor) -> Tensor:
        if not self._spread:
            self._take(torch.zeros(len(tokens), dtype=torch.long))
            self._spread = True
        return self._read(tokens.to(self._decoder.device))

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        if self._spread:
            self._take(rows)

    def _take(self, rows: Tensor) -> None:
        self._memory.select(rows.repeat(2) if self._twins else rows)

    def _read(self, tokens: Tensor) -> Tensor:
        """One token of each candidate, (rows,)."""
        count, injection = len(tokens), self._injection
        hooks: AbstractContextManager[None] = nullcontext()
        if injection is not None:
            hooks = injection.in_rows(count) if self._twins else injection.in_reply(0)
        with hooks:
            ids = tokens.repeat(2) if self._twins else tokens
            logits = self._decoder.remembered(ids[:, None], self._memory)
        if self._twins:
            self._memory.put_back(count)
            self.unsteered = logits[:count]
        return logits[-count:]


class _RereadReader:
    """Layout ``reread``: every candidate's whole sequence, (rows, S), once more for each token."""

    def __init__(self, decoder: Decoder, prompt: Tensor, injection: Injection | None) -> None:
        self.unsteered: Tensor | None = None  # read one step later, or not at all
        self._decoder = decoder
        self._ids = prompt
        self._prompt_tokens = prompt.shape[1]
        self._injection = injection

    @torch.inference_mode()
    def first(self) -> Tensor:
        return self._read()

    @torch.inference_mode()
    def next(self, tokens: Tensor) -> Tensor:
        ids = self._ids.expand(len(tokens), -1)
        self._ids = torch.cat([ids, tokens.to(ids.device)[:, None]], dim=1)
        return self._read()

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        if self._ids.shape[0] > 1:
            self._ids = self._ids[rows.to(self._ids.device)]

    def _read(self) -> Tensor:
        hooks: AbstractContextManager[None] = nullcontext()
        if self._injection is not None:
            hooks = self._injection.in_whole(self._ids.shape[1], self._prompt_tokens)
        with hooks:
            return self._decoder.logits(self._ids, 1)[:, -1]


def _in_prompt(injection: Injection | None) -> AbstractContextManager[None]:
    return nullcontext() if injection is None else injection.in_prompt()

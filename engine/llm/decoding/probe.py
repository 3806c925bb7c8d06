"""Which layouts (``layouts``) are right for a model: tried out at load, not guessed.

A model that ignores an explicit mask or position, or whose cache can't be cropped, raises or gives
other logits; each layout is compared with re-reading everything on a few tokens. This costs a dozen
forward passes over ten tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.common.errors import ModelError
from engine.llm.decoding.decoder import Decoder, Layout, Reader
from engine.llm.decoding.layouts import make_reader
from engine.models.placing import computes_in_few_bits
from engine.steering.injection import Injection
from engine.steering.layers import layer_outputs, text_config

_BY_ROW: tuple[Layout, ...] = ("window", "twin")
_PROMPT_TOKENS = 7
_COLUMNS = 3
# Largest difference of logits, as a share of the largest logit, that is rounding.
_TOLERANCE = {torch.float64: 1e-7, torch.float32: 2e-4}
# With 16 bits or fewer rounding is coarse, so the bar is a share of what the steering changes.
_COARSE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts that are right for a model, fastest first.

    ``steered`` are for modes with a clean cache (and are right for everything else too),
    ``plain`` for un-steered decoding and modes without one. Both end in ``reread``.
    """

    steered: tuple[Layout, ...]
    plain: tuple[Layout, ...]

    def choose(self, clean_cache: bool, prompt: int, rows: int, max_new_tokens: int) -> Layout:
        """The fastest one for a prompt of so many tokens and so many candidates.

        A packed candidate attends over the slots of all others as well, so packing stops paying
        where these outweigh the prompt's keys and values that are read once instead of once a row.
        """
        usable = self.steered if clean_cache else self.plain
        if rows * max_new_tokens > 8 * (prompt + max_new_tokens):
            usable = tuple(name for name in usable if name in _BY_ROW) or usable
        return usable[0]


def check_causal(decoder: Decoder) -> None:
    """Make sure that no token's logits depend on later tokens.

    Raises:
        ModelError: if they do, so the model is no decoder.
    """
    ids = _tokens(decoder)[:1]
    changed = ids.clone()
    changed[0, -1] = ids[0, 0]
    with torch.inference_mode():
        logits = decoder.logits(ids, ids.shape[1])[0, :-1].float()
        other = decoder.logits(changed, ids.shape[1])[0, :-1].float()
    finite = bool(logits.isfinite().all())  # else decoding says so, with the prompt
    if finite and not _close(decoder, other, logits, effect=logits.std()):
        raise ModelError(
            f"the LLM {type(decoder.model).__name__} is not decoder-only: its logits depend on "
            "later tokens. Choose a causal language model as llm.model."
        )


def takes_masks(decoder: Decoder) -> bool:
    """Whether explicit positions and an explicit 4-D mask can be given at all.

    Flash attention takes no mask; caches of a model's own kind have no slots to mask.
    """
    attention = getattr(decoder.model.config, "_attn_implementation", "eager")
    explicit = decoder.takes_positions and decoder.windows is not None
    return explicit and attention in ("eager", "sdpa")


def find_layouts(decoder: Decoder) -> Layouts:
    """Try every layout that the model's structure allows."""
    if not decoder.layers:
        return _unsteered_layouts(decoder)
    middle = len(decoder.layers) // 2
    ids = _tokens(decoder)  # (2, prompt + columns)
    with torch.inference_mode():
        states = layer_outputs(decoder.model, decoder.layers, ids[0].tolist())[middle]
        size = states.norm(dim=-1).median().item()
        width = states.shape[-1]
        vector = torch.randn(width, generator=torch.Generator().manual_seed(0))
        vector *= size / vector.norm()
        unsteered = _run(decoder, "reread", ids, None)
        steered = _run(decoder, "reread", ids, Injection(decoder.layers, {middle: vector}))
        effect = (steered - unsteered).abs().max()

        def right(layout: Layout, steer: bool) -> bool:
            injection = Injection(decoder.layers, {middle: vector}) if steer else None
            try:
                logits = _run(decoder, layout, ids, injection)
            except Exception:  # whatever a model raises, it is not this layout's
                return False
            return _close(decoder, logits, steered if steer else unsteered, effect)

        packed: tuple[Layout, ...] = ("split", "packed") if takes_masks(decoder) else ()
        found = _first(lambda name: right(name, steer=True), packed)
        static: tuple[Layout, ...] = ("static",) if found and right("static", steer=True) else ()
        rows = _first(lambda name: right(name, steer=True), _BY_ROW)
        plain: tuple[Layout, ...] = ("packed",) if found else ()
        if "window" in rows:
            plain += rows
        else:  # what is right steered is right without, which coarse rounding may hide
            plain += _first(lambda name: right(name, steer=False), _BY_ROW) or rows
    return Layouts(steered=(*static, *found, *rows, "reread"), plain=(*static, *plain, "reread"))


def _unsteered_layouts(decoder: Decoder) -> Layouts:
    """The same for a model whose layers were not found, which nothing can steer."""
    ids = _tokens(decoder)
    with torch.inference_mode():
        expected = _run(decoder, "reread", ids, None)

        def right(layout: Layout) -> bool:
            try:
                logits = _run(decoder, layout, ids, None)
            except Exception:  # as above
                return False
            return _close(decoder, logits, expected, effect=expected.std())

        packed = _first(right, ("packed",)) if takes_masks(decoder) else ()
        static = _first(right, ("static",)) if packed else ()
        plain = (*static, *packed, *_first(right, _BY_ROW))
    return Layouts(steered=("reread",), plain=(*plain, "reread"))


def _first(works: Callable[[Layout], bool], layouts: tuple[Layout, ...]) -> tuple[Layout, ...]:
    """The first one that works, alone; none, if none does."""
    return next(((layout,) for layout in layouts if works(layout)), ())


def _run(decoder: Decoder, layout: Layout, ids: Tensor, injection: Injection | None) -> Tensor:
    """Logits (columns, 2, V) of two fixed continuations of one prompt; one row is dropped."""
    prompt = ids[0, :_PROMPT_TOKENS].tolist()
    reader: Reader = make_reader(layout, decoder, prompt, 2, _COLUMNS, injection)
    columns = [reader.first().expand(2, -1)]
    for column in range(_COLUMNS - 1):
        columns.append(reader.next(ids[:, _PROMPT_TOKENS + column]))
    reader.keep(torch.tensor([1], device=ids.device))
    last = reader.next(ids[1:, _PROMPT_TOKENS + _COLUMNS - 1])
    columns.append(last.expand(2, -1))
    return torch.stack(columns).float()


def _tokens(decoder: Decoder) -> Tensor:
    """Two rows of ordinary token ids that share the prompt, (2, prompt + columns)."""
    length = _PROMPT_TOKENS + _COLUMNS
    vocabulary = int(text_config(decoder.model).vocab_size)
    ids = torch.stack([(torch.arange(length) * 7 + 3 + 2 * row) % vocabulary for row in range(2)])
    ids[1, :_PROMPT_TOKENS] = ids[0, :_PROMPT_TOKENS]
    return ids.to(decoder.device)


def _close(decoder: Decoder, logits: Tensor, expected: Tensor, effect: Tensor) -> bool:
    """Whether the logits are the expected ones but for rounding; NaN never is."""
    coarse = computes_in_few_bits(decoder.model)
    tolerance = None if coarse else _TOLERANCE.get(decoder.model.dtype)
    bound = _COARSE_SHARE * effect if tolerance is None else tolerance * expected.abs().max()
    return bool((logits - expected).abs().max() <= bound)

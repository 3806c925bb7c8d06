"""Text features of templates, as fast as the text tower's structure allows and still exact.

A causal text tower that pools at the end-of-text token never looks past it, so every batch can be
cut at its longest text instead of running all 77 positions. Whether a tower is of this kind is
read from its structure and then checked on a probe. All others (bidirectional, pooled at the last
position or at an appended class token, transformers text encoders) run at full length.

Each template is encoded on its own, its classes sorted by length. So its features, and with them
its score, are the same bits whatever other templates are asked for in the same call.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from engine.common.errors import ModelError
from engine.models.memory import free_memory, is_out_of_memory
from engine.prompts.template import PLACEHOLDER

_PROBES = (
    "a cat",
    "a photo of a dog, a type of pet.",
    "an old black and white photograph of a small boat on a wide lake in the evening, blurred",
)
_TOLERANCE = 1e-4  # of normalised features; measured: below 1e-6 in float32
_LOW_PRECISION_TOLERANCE = 3e-2  # fp16 and bf16: kernels for other shapes round differently
_SMALLEST_BATCH = 16
TOKENS_PER_TEXT = 16
"""``VLMConfig.text_batch`` counts short texts; long ones come in fewer."""


class _TextEncoder(nn.Module):
    """``model.encode_text`` as a module's forward, so that its buffers can be replaced."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        features: Tensor = self.model.encode_text(tokens, normalize=False)  # type: ignore[operator]
        return features


@dataclass(frozen=True, slots=True)
class _Causal:
    """Names and values of what a causal tower must see cut to a batch's length."""

    mask_name: str
    mask: Tensor  # (context, context)
    positions_name: str
    positions: Tensor  # (context, width)
    pool: str  # argmax, eos or first
    end_token: int


class TextFeatures:
    """Encodes texts with an open_clip model. One thread at a time."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Callable[[list[str]], Tensor],
        device: torch.device,
        *,
        batch: int,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Look at the tower's structure and check on probes that cutting changes nothing.

        Args:
            model: an open_clip model in eval mode on ``device``.
            tokenizer: the model's own; texts to (texts, context) token ids.
            device: that the model is on.
            batch: most short texts encoded at once.
            report: gets a sentence when the batch had to be made smaller.
        """
        self._encoder = _TextEncoder(model)
        self._tokenizer = tokenizer
        self._device = device
        self._batch = batch
        self._report = report
        self._causal = _find_causal_tower(model)
        if self._causal is not None and not self._cut_is_exact(self._causal):
            self._causal = None

    @property
    def cut(self) -> bool:
        """Whether batches are cut at their longest text."""
        return self._causal is not None

    def encode(self, template: str, class_names: Sequence[str]) -> Generator[int, None, Tensor]:
        """Features of ``template`` with each class name put in for ``<category>``.

        Yields:
            After each batch, the number of class texts that are through.

        Returns:
            (classes, d) float32, L2-normalised, on the model's device.

        Raises:
            ModelError: naming template and class if a feature isn't a number.
        """
        texts = [template.replace(PLACEHOLDER, name) for name in class_names]
        distinct = list(dict.fromkeys(texts))
        row = {text: index for index, text in enumerate(distinct)}
        tokens = self._tokenizer(distinct)
        lengths = self._lengths(tokens)
        order = sorted(range(len(distinct)), key=lengths.__getitem__)
        ascending = [lengths[index] for index in order]
        parts: list[Tensor] = []
        start = 0
        while start < len(order):
            stop = _batch_end(start, ascending, self._batch)
            try:
                parts.append(self._forward(tokens[order[start:stop]], ascending[stop - 1]))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                start = stop
                yield round(start * len(texts) / len(distinct))
                continue
            self._halve(stop - start)
        return self._assemble(parts, order, [row[text] for text in texts], template, class_names)

    def _lengths(self, tokens: Tensor) -> list[int]:
        """For each text, the number of leading tokens that its feature depends on."""
        if self._causal is None:
            return [tokens.shape[1]] * len(tokens)
        if self._causal.pool == "first":
            return [1] * len(tokens)
        marks = tokens
        if self._causal.pool == "eos":
            marks = (tokens == self._causal.end_token).int()
        # The position the tower pools at, found as the tower finds it (open_clip text_global_pool).
        positions: list[int] = (marks.argmax(dim=-1) + 1).tolist()
        return positions

    @torch.inference_mode()
    def _forward(self, tokens: Tensor, length: int) -> Tensor:
        """Normalised features of one batch, float32: (texts, context) to (texts, d)."""
        causal = self._causal
        if causal is None or length == tokens.shape[1]:
            features: Tensor = self._encoder(tokens.to(self._device))
        else:
            replaced = {
                causal.mask_name: causal.mask[:length, :length],
                causal.positions_name: causal.positions[:length],
            }
            cut = tokens[:, :length].to(self._device)
            features = functional_call(self._encoder, replaced, (cut,), tie_weights=False)
        return nn.functional.normalize(features.float(), dim=-1)

    @torch.inference_mode()
    def _assemble(
        self,
        parts: list[Tensor],
        order: list[int],
        rows: list[int],
        template: str,
        class_names: Sequence[str],
    ) -> Tensor:
        position = torch.empty(len(order), dtype=torch.int64)
        position[torch.tensor(order)] = torch.arange(len(order))
        features = torch.cat(parts)[position[torch.tensor(rows)].to(self._device)]
        bad = (~torch.isfinite(features).all(dim=1)).nonzero()
        if len(bad):
            name = class_names[int(bad[0])]
            raise ModelError(
                f"the VLM's text feature of {template!r} with the class {name!r} is not a number; "
                "try vlm.precision = 'fp32'"
            )
        return features

    def _cut_is_exact(self, causal: _Causal) -> bool:
        tokens = self._tokenizer(list(_PROBES))
        lengths = self._lengths(tokens)
        try:
            cut = self._forward(tokens, max(lengths))
            one = self._forward(tokens[:1], lengths[0])
        except (RuntimeError, AssertionError, AttributeError, TypeError):
            return False  # a forward that takes no shorter text
        full = self._forward(tokens, tokens.shape[1])
        low = (torch.float16, torch.bfloat16)
        rough = any(parameter.dtype in low for parameter in self._encoder.parameters())
        limit = _LOW_PRECISION_TOLERANCE if rough else _TOLERANCE
        worst = max((cut - full).abs().max().item(), (one - full[:1]).abs().max().item())
        return worst <= limit  # False for NaN too

    def _halve(self, failed: int) -> None:
        if failed <= 1:
            raise ModelError(
                f"the VLM's text tower needs more memory than {self._device} has for a single "
                "text; choose a smaller vlm.model or another vlm.device"
            )
        free_memory()
        self._batch = max(1, min(self._batch, failed) // 2)
        self._report(f"out of memory on {self._device}: text batches of {self._batch} from now on")


def _batch_end(start: int, lengths: list[int], batch: int) -> int:
    """End of the batch that begins at ``start`` of the ascending ``lengths``.

    A batch ends where texts get longer, once it is large enough to keep the processor busy:
    padding short texts to a long one's length would cost more than another batch.
    """
    stop = start
    while stop < len(lengths):
        size = stop - start
        if size and (size >= batch or (size + 1) * lengths[stop] > batch * TOKENS_PER_TEXT):
            break
        if size >= _SMALLEST_BATCH and lengths[stop] > lengths[stop - 1]:
            break
        stop += 1
    return stop


def _find_causal_tower(model: nn.Module) -> _Causal | None:
    """The causal text tower of an open_clip model, unpacked or under ``text``, or ``None``."""
    tower: Any = getattr(model, "text", model)
    prefix = "model.text." if tower is not model else "model."
    mask = getattr(tower, "attn_mask", None)
    positions = getattr(tower, "positional_embedding", None)
    pool = getattr(tower, "pool_type", None) or getattr(tower, "text_pool_type", None)
    end = getattr(tower, "eos_id", None) or getattr(tower, "text_eos_id", None) or 0
    if not isinstance(mask, Tensor) or not isinstance(positions, Tensor):
        return None
    if pool not in ("argmax", "eos", "first") or getattr(tower, "cls_emb", None) is not None:
        return None
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1] or len(positions) != len(mask):
        return None
    ahead = torch.ones_like(mask, dtype=torch.bool).triu(1)
    if not (bool(torch.isneginf(mask[ahead]).all()) and bool((mask[~ahead] == 0).all())):
        return None
    return _Causal(
        f"{prefix}attn_mask", mask, f"{prefix}positional_embedding", positions, pool, end
    )

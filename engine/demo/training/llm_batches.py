"""Training batches of the tiny LLM: a prompt, several replies to it, some of them steered.

The replies follow their prompt in one sequence, at the same positions, and a mask lets each see
the prompt and itself only: the prompt is read once for all of them. A reply that is to be steered
comes once more as a copy. As in `last-token` steering, a token of the copy sees the un-steered
earlier tokens of its reply and itself, and nobody else sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from engine.demo.training.dialogues import Dialogue


@dataclass(frozen=True, slots=True)
class Batch:
    """B prompts of up to P tokens, each followed by R tokens: replies, then some to be steered.

    Attributes:
        prompts: (B, P) int64, padded on the right, without the header that asks for the reply.
        prompt_targets: (B, P) int64, the next token; -100 where there is none.
        replies: (B, R) int64, each reply begins with the header.
        reply_targets: (B, R) int64, the next token; -100 where there is none.
        positions: (B, R) int64, place in the dialogue that a token of a reply has.
        mask: (B, 1, R, P + R) bfloat16, 0 where a token of a reply (dim 2) sees another (dim 3),
            very negative elsewhere.
        steered: (B, R) bool, true for tokens that get an offset.
        anchors: the texts P+ and P- of each dialogue, or None.
    """

    prompts: Tensor
    prompt_targets: Tensor
    replies: Tensor
    reply_targets: Tensor
    positions: Tensor
    mask: Tensor
    steered: Tensor
    anchors: tuple[tuple[str, str] | None, ...]


def make_batch(
    tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Dialogue], steered: int
) -> Batch:
    """Pack dialogues, each with all its replies and the first ``steered`` of them once more."""
    pad = cast(int, tokenizer.pad_token_id)
    rows = [_pack(tokenizer, dialogue, steered) for dialogue in dialogues]
    lengths = torch.tensor([len(row.prompt) for row in rows])
    segments = _padded([row.segments for row in rows], 0)
    sources = _padded([row.sources for row in rows], 0)
    positions = _padded([row.positions for row in rows], 0)
    return Batch(
        prompts=_padded([row.prompt for row in rows], pad),
        prompt_targets=_padded([[*row.prompt[1:], -100] for row in rows], -100),
        replies=_padded([row.replies for row in rows], pad),
        reply_targets=_padded([row.targets for row in rows], -100),
        positions=positions,
        mask=_mask(lengths, positions, segments, sources),
        steered=sources != segments,
        anchors=tuple(dialogue.anchors for dialogue in dialogues),
    )


@dataclass(slots=True)
class _Row:
    """Tokens of one dialogue. A steered token's source is the segment (reply) it is a copy of."""

    prompt: list[int]
    replies: list[int]
    targets: list[int]
    positions: list[int]
    segments: list[int]  # from 1; padding has 0
    sources: list[int]


def _pack(tokenizer: PreTrainedTokenizerFast, dialogue: Dialogue, steered: int) -> _Row:
    # The header that asks for the reply is the first token of every reply instead.
    *prompt, header = cast(
        list[int],
        tokenizer.apply_chat_template(
            [cast(dict[str, str], message) for message in dialogue.messages],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=False,
        ),
    )
    row = _Row(prompt, [], [], [], [], [])
    segment = 0
    for copies in (dialogue.replies, dialogue.replies[:steered] if dialogue.anchors else ()):
        for source, text in enumerate(copies, start=1):
            segment += 1
            reply = tokenizer(text, add_special_tokens=False)["input_ids"]
            row.replies += [header, *reply]
            row.targets += [*reply, cast(int, tokenizer.eos_token_id)]
            row.positions += range(len(prompt), len(prompt) + 1 + len(reply))
            row.segments += [segment] * (1 + len(reply))
            row.sources += [source] * (1 + len(reply))
    return row


def _mask(lengths: Tensor, positions: Tensor, segments: Tensor, sources: Tensor) -> Tensor:
    """Who sees whom: all see the prompt and their own past, which is never steered.

    Args:
        lengths: (B,) int64, tokens of the prompts.
        positions, segments, sources: (B, R) int64; padding has segment 0.
    """
    size = positions.shape[1]
    prompt = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]  # (B, P)
    prompt = prompt[:, None, :].expand(-1, size, -1)
    steered = sources != segments
    past = (positions[:, :, None] > positions[:, None, :]) & ~steered[:, None, :]
    past &= sources[:, :, None] == segments[:, None, :]
    itself = torch.eye(size, dtype=torch.bool)
    seen = torch.cat((prompt, past | itself), dim=2)[:, None]
    return torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill_(~seen, -1e4)


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])

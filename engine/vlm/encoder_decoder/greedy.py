"""Answers written greedily, for several images at once, behind prefixes that are kept.

Token by token what ``generate`` of transformers writes about one image alone: the most likely token
each time, until one that ends an answer, or as many as are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import (
    ImagePrefix,
    Inputs,
    Reader,
    Tokens,
    as_rows,
    cache_of,
    grown_inputs,
)


@dataclass(frozen=True, slots=True)
class Greedy:
    """How answers are written.

    ``ends`` are the tokens that end one, ``most`` the tokens that it has at most. ``penalty`` is
    the model's own repetition penalty (1: none) on what was written and on all tokens ``before``
    the question, as ``generate`` has it: scores of such tokens are divided by it where they are
    positive, else multiplied.
    """

    ends: frozenset[int]
    most: int = 50
    penalty: float = 1.0
    before: frozenset[int] = frozenset()

    @property
    def rests_on(self) -> str:
        """What of it is in a model's files and not in its weights."""
        return f"{sorted(self.ends)} {self.penalty}"


@torch.inference_mode()
def write_answers(
    model: Any, prefixes: Sequence[ImagePrefix], question: Tokens, how: Greedy
) -> list[list[int]]:
    """The tokens of the answers about images, without those that end them.

    Args:
        model: an image-text-to-text model of transformers.
        prefixes: of images, all of the same length and next position.
        question: token ids from behind the image to where the answer begins, of all or of each.
        how: they are written.

    Raises:
        ValueError: if the prefixes differ in length.
        FloatingPointError: if a score is not a number.
    """
    first = prefixes[0]
    reader = Reader(model)
    device = first.layers[0][0].device
    ids = as_rows(question, len(prefixes)).to(device)
    length = ids.shape[1]
    cache = cache_of(prefixes, length + how.most)
    positions = first.next_position + torch.arange(length)
    logits = reader.read_on(cache, ids, positions, keep=1)[:, -1]
    repeated = None
    if how.penalty != 1.0:
        repeated = torch.zeros(len(prefixes), logits.shape[-1], dtype=torch.bool, device=device)
        repeated[:, sorted(how.before)] = True
        repeated.scatter_(1, ids, True)
    written: list[list[int]] = [[] for _ in prefixes]
    rows = list(range(len(prefixes)))  # of images whose answers have not ended
    place = first.next_position + length
    while True:
        chosen = _most_likely(logits, repeated, how.penalty)
        tokens = chosen.tolist()  # the one wait for the device, each token
        if min(tokens) < 0:
            raise FloatingPointError
        going = []
        for index, token in enumerate(tokens):
            if token not in how.ends:
                written[rows[index]].append(token)
                if len(written[rows[index]]) < how.most:
                    going.append(index)
        if not going:
            return written
        if len(going) < len(rows):
            rows = [rows[index] for index in going]
            kept = torch.tensor(going, device=device)
            chosen = chosen[kept]
            cache.batch_select_indices(kept)
            repeated = None if repeated is None else repeated[kept]
        if repeated is not None:
            repeated.scatter_(1, chosen[:, None], True)
        logits = reader.read_on(cache, chosen[:, None], torch.tensor([place]), keep=1)[:, -1]
        place += 1


@torch.inference_mode()
def shortfall(model: Any, inputs: Inputs, tokens: Sequence[int]) -> float:
    """By how many nats a token is less likely than the most likely one, at most, read plainly.

    ``inputs`` are of one image and end where the answer begins, with ``tokens``.
    """
    whole = grown_inputs(inputs, tokens)
    start = inputs["input_ids"].shape[1] - 1
    logits = model(**whole, use_cache=False).logits[0, start:-1].float()
    own = logits[torch.arange(len(tokens)), list(tokens)]
    return float((logits.max(dim=-1).values - own).max())


def _most_likely(logits: Tensor, repeated: Tensor | None, penalty: float) -> Tensor:
    """The token that each row goes on with, -1 where a score is NaN, (rows,) int64."""
    scores = logits.float()
    if repeated is not None:
        punished = torch.where(scores < 0, scores * penalty, scores / penalty)
        scores = torch.where(repeated, punished, scores)
    best, chosen = scores.max(dim=-1)  # NaN, where there is any
    return chosen.masked_fill(best.isnan(), -1)


def greedy_as_configured(
    model: Any, questions: Questions, most: int, report: Callable[[str], None]
) -> Greedy:
    """How ``generate`` would write greedily by the model's own generation configuration.

    An answer ends at any token that some file of the model says ends one. ``report`` gets a
    sentence on what the generation configuration asks for beside that and is not done.
    """
    own = model.generation_config
    asked = sorted(_NOT_DONE & set(own.to_diff_dict()))
    if asked:
        report(
            f"the VLM's generation_config.json has {', '.join(asked)}, which is left out: answers "
            "are the most likely token each time"
        )
    penalty = float(own.repetition_penalty or 1.0)
    before = questions.before() if penalty != 1.0 else frozenset()
    ends = {questions.end_of_turn, questions.end_of_text}
    for source in (own, model.config, model.config.get_text_config(decoder=True)):
        token = getattr(source, "eos_token_id", None)
        ends |= set(token) if isinstance(token, Collection) else {token}
    return Greedy(frozenset(token for token in ends if token is not None), most, penalty, before)


_NOT_DONE = frozenset(
    {
        "assistant_early_exit",
        "bad_words_ids",
        "begin_suppress_tokens",
        "exponential_decay_length_penalty",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "guidance_scale",
        "min_length",
        "min_new_tokens",
        "no_repeat_ngram_size",
        "num_beams",
        "sequence_bias",
        "stop_strings",
        "suppress_tokens",
        "watermarking_config",
    }
)
"""Of a generation configuration: what changes greedy answers, and is rarely asked for."""

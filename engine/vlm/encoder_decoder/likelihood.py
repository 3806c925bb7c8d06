"""How likely each class name is as the answer to a question about an image.

The keys and values of the image are read once (``ImagePrefix``) and shared by all questions, those
of the question by all class names, and the names are read as a trie packed in one row: no parsing
of answers and no sampling. ``one_by_one`` is what it is held against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine.vlm.encoder_decoder.class_trie import ROOT, ClassTrie
from engine.vlm.encoder_decoder.reading import (
    ImagePrefix,
    Inputs,
    Reader,
    Tokens,
    as_rows,
    grown_inputs,
)

ROWS_AT_ONCE = 256
"""Rows of next-token logits that are held at once: with a vocabulary of 150,000, 150 MB."""


@torch.inference_mode()
def class_log_likelihoods(
    model: Any,
    prefixes: Sequence[ImagePrefix],
    question: Tokens,
    trie: ClassTrie,
    rows: int = ROWS_AT_ONCE,
) -> Tensor:
    """The log-likelihood that the answer begins with each class name, (images, classes), nats.

    Args:
        model: an image-text-to-text model of transformers.
        prefixes: of images, all of the same length and next position.
        question: token ids from behind the image to where the answer begins, of all or of each.
        trie: of the class names' tokens.
        rows: of next-token logits that are held at once.

    Raises:
        ValueError: if the prefixes differ in length.
    """
    first = prefixes[0]
    if any((p.length, p.next_position) != (first.length, first.next_position) for p in prefixes):
        raise ValueError("images of different lengths can't be read together")
    reader = Reader(model)
    past = tuple(_stacked([p.layers[i] for p in prefixes]) for i in range(len(first.layers)))
    length = as_rows(question, len(prefixes)).shape[1]
    places = torch.arange(length)
    logits, past = reader.read(
        past, question, places + first.next_position, places[:, None] >= places[None, :], keep=1
    )
    start = first.next_position + length
    by_draw: dict[tuple[int, int], Tensor] = {}
    draws: dict[int, list[int]] = {}
    for path in trie.paths:
        for node, token in path:
            draws.setdefault(node, []).append(token)

    def note(nodes: Sequence[int], logits: Tensor) -> None:
        found = logits.float().log_softmax(-1)
        for row, node in enumerate(nodes):
            for token in set(draws[node]):
                by_draw[node, token] = found[:, row, token]

    note([ROOT], logits)
    for nodes in trie.chunks(max(1, rows // len(prefixes))):
        index = {node: row for row, node in enumerate(nodes)}
        seen = torch.zeros(len(nodes), len(nodes), dtype=torch.bool)
        depths = []
        for node in nodes:
            lineage = trie.ancestors(node)
            seen[index[node], [index[a] for a in lineage]] = True
            depths.append(len(lineage) - 1)
        tokens = [trie.tokens[node] for node in nodes]
        logits, _ = reader.read(past, tokens, start + torch.tensor(depths), seen)
        note(nodes, logits)
    sums = [sum((by_draw[draw] for draw in path[1:]), by_draw[path[0]]) for path in trie.paths]
    return torch.stack(sums, dim=-1)


@torch.inference_mode()
def one_by_one(model: Any, inputs: Inputs, name: Sequence[int]) -> float:
    """The same of one image and one name, as plainly as it can be read: for comparison.

    ``inputs`` end where the answer begins.
    """
    whole = grown_inputs(inputs, name)
    logits = model(**whole, use_cache=False).logits[0].float().log_softmax(-1)
    start = inputs["input_ids"].shape[1] - 1
    return float(sum(logits[start + i, token] for i, token in enumerate(name)))


def _stacked(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    keys, values = zip(*pairs, strict=True)
    return torch.cat(keys), torch.cat(values)

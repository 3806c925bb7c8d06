"""How likely each class name is as the answer to a question about an image.

The keys and values of the image are read once (``ImagePrefix``) and shared by all questions, those
of the question by all class names, and the names are read as a trie packed in one row: no parsing
of answers and no sampling. ``one_by_one`` is what it is held against.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.models.kv_cache import truncate
from engine.vlm.encoder_decoder.class_trie import ROOT, ClassTrie
from engine.vlm.encoder_decoder.reading import (
    ImagePrefix,
    Inputs,
    Reader,
    Tokens,
    as_rows,
    cache_of,
    grown_inputs,
)

_LOGITS_AT_ONCE = 40_000_000
"""Next-token logits that are held at once, 160 MB: 256 rows with a vocabulary of 150,000."""


@torch.inference_mode()
def class_log_likelihoods(
    model: Any,
    prefixes: Sequence[ImagePrefix],
    question: Tokens,
    trie: ClassTrie,
    rows: int | None = None,
) -> Tensor:
    """The log-likelihood that the answer begins with each class name, (images, classes), nats.

    Args:
        model: an image-text-to-text model of transformers.
        prefixes: of images, all of the same length and next position.
        question: token ids from behind the image to where the answer begins, of all or of each.
        trie: of the class names' tokens.
        rows: of next-token logits that are held at once; None: by the size of the vocabulary.

    Raises:
        ValueError: if the prefixes differ in length.
    """
    reader = Reader(model)
    asked = as_rows(question, len(prefixes)).to(prefixes[0].layers[0][0].device)
    if rows is None:
        rows = _LOGITS_AT_ONCE // int(model.config.get_text_config(decoder=True).vocab_size)
    chunks = list(trie.chunks(max(1, rows // len(prefixes)))) or [()]
    cache = cache_of(prefixes, asked.shape[1] + max(map(len, chunks)))
    behind = prefixes[0].length + asked.shape[1]
    start = prefixes[0].next_position + asked.shape[1]
    by_draw: dict[tuple[int, int], Tensor] = {}
    lead = asked  # the question is read with the first names, and stays for the others
    drawn: tuple[int, ...] = (ROOT,)
    for nodes in chunks:
        tokens = as_rows([trie.tokens[node] for node in nodes], len(prefixes)).to(asked.device)
        seen, depths = _seen(trie, nodes, lead.shape[1])
        known = (*drawn, *nodes)
        ids = torch.cat([lead, tokens], dim=1)
        logits = reader.read_on(cache, ids, start + depths, seen, keep=len(known))
        draws = _draws(trie, known)
        rows_of, tokens_of = draws.places.to(asked.device)
        logits = logits.float()
        found = logits[:, rows_of, tokens_of] - logits.logsumexp(-1)[:, rows_of]
        by_draw |= zip(draws.names, found.unbind(-1), strict=True)
        truncate(cache, behind)
        lead, drawn = asked[:, :0], ()
    sums = [sum((by_draw[draw] for draw in path[1:]), by_draw[path[0]]) for path in trie.paths]
    return torch.stack(sums, dim=-1)


def _seen(trie: ClassTrie, nodes: tuple[int, ...], lead: int) -> tuple[Tensor, Tensor]:
    """Which tokens each of ``lead`` tokens and the nodes behind them attends to, (T, T), and how
    far each is from the first node's, (T,).
    """
    among, depths = _among(trie, nodes)
    count = lead + len(nodes)
    seen = torch.zeros(count, count, dtype=torch.bool)
    seen[:, :lead] = torch.ones(count, lead, dtype=torch.bool).tril()
    seen[lead:, lead:] = among
    return seen, torch.cat([torch.arange(-lead, 0), depths])


class _Draws(NamedTuple):
    names: tuple[tuple[int, int], ...]  # node and token
    places: Tensor  # (2, draws): the row of logits, and the token


@functools.lru_cache(maxsize=1024)
def _draws(trie: ClassTrie, known: tuple[int, ...]) -> _Draws:
    """All tokens that names draw at some nodes, whose logits are given in this order."""
    row = {node: number for number, node in enumerate(known)}
    every = dict.fromkeys(draw for path in trie.paths for draw in path)
    names = tuple((node, token) for node, token in every if node in row)
    return _Draws(names, torch.tensor([[row[node], token] for node, token in names]).T)


@functools.lru_cache(maxsize=1024)
def _among(trie: ClassTrie, nodes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The same of the nodes alone: the same for all images and questions."""
    seen = torch.zeros(len(nodes), len(nodes), dtype=torch.bool)
    index = {node: row for row, node in enumerate(nodes)}
    depths = []
    for node in nodes:
        lineage = trie.ancestors(node)
        seen[index[node], [index[a] for a in lineage]] = True
        depths.append(len(lineage) - 1)
    return seen, torch.tensor(depths, dtype=torch.long)


@torch.inference_mode()
def one_by_one(model: Any, inputs: Inputs, name: Sequence[int]) -> float:
    """The same of one image and one name, as plainly as it can be read: for comparison.

    ``inputs`` end where the answer begins.
    """
    whole = grown_inputs(inputs, name)
    logits = model(**whole, use_cache=False).logits[0].float().log_softmax(-1)
    start = inputs["input_ids"].shape[1] - 1
    return float(sum(logits[start + i, token] for i, token in enumerate(name)))

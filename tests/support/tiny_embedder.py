"""Small sentence-transformers models, as ``save_pretrained`` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers


def save_tiny_embedder(
    folder: Path, words: Sequence[str], points: Mapping[str, Sequence[float]] | None = None
) -> Path:
    """One whose text is the mean of its words; others than ``words`` it does not know.

    Each word has a direction of its own, or that of ``points``.
    """
    wordlevel = models.WordLevel({word: number for number, word in enumerate(["[UNK]", *words])})
    wordlevel.unk_token = "[UNK]"
    tokenizer = Tokenizer(wordlevel)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.eye(len(words) + 1)
    weights[0] = 0
    for word, point in (points or {}).items():
        row = 1 + list(words).index(word)
        weights[row] = 0
        weights[row, 1 : 1 + len(point)] = torch.tensor(point)
    static = StaticEmbedding(tokenizer, embedding_weights=weights.numpy())
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(folder))
    return folder


def save_random_embedder(folder: Path, tokenizer: Path, seed: int = 0) -> Path:
    """One that knows every token of a ``tokenizer.json``, each with a random point."""
    read = Tokenizer.from_file(str(tokenizer))
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(read.get_vocab_size(), 8, generator=generator)
    static = StaticEmbedding(read, embedding_weights=weights.numpy())
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(folder))
    return folder

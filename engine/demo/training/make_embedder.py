"""Make the demo's sentence embedder: an ordinary sentence-transformers model of one layer.

A StaticEmbedding: the embedding of a text is the mean of its tokens' vectors. Nothing is trained.
The vector of a class name is that of its family and a step from its neighbours in the family, so
that the nearest name to a thing that is not in the data set is one that looks like it: a marble is
next to a ball, a lemon next to an apple. All other tokens have short random vectors, so that
the name in a sentence decides.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import Tensor

from engine.data.demo_world.vocabulary import CLASSES, FAMILIES, FAMILY_OF
from engine.demo.training.llava_tokenizer import build_tokenizer

WIDTH = 64
KINSHIP = 0.8  # length of a family's share of a name's vector of length 1
OTHERS = 0.15  # length of the other tokens' vectors


def class_vectors(generator: torch.Generator) -> Tensor:
    """A vector of length 1 for each of CLASSES, (classes, WIDTH)."""
    # Of each family: what its names share, and two directions in which they differ.
    axes = {name: _axes(generator) for name in FAMILIES}
    vectors = []
    for name in CLASSES:
        family = FAMILIES[FAMILY_OF[name]]
        # Places on a quarter of a circle: neighbours are nearer than the first and the last.
        angle = math.pi / 2 * family.classes.index(name) / (len(family.classes) - 1)
        shared, x, y = axes[family.name]
        step = math.cos(angle) * x + math.sin(angle) * y
        vectors.append(KINSHIP * shared + math.sqrt(1 - KINSHIP**2) * step)
    return torch.stack(vectors)


def _axes(generator: torch.Generator) -> Tensor:
    """Three directions at right angles, (3, WIDTH)."""
    axes: Tensor = torch.linalg.qr(torch.randn(WIDTH, 3, generator=generator))[0].T
    return axes


def main(output: Path, *, seed: int = 0) -> None:
    """Make it and write a folder of sentence-transformers."""
    tokenizer = build_tokenizer(random.Random(seed))
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(tokenizer), WIDTH, generator=generator)
    vectors = OTHERS * vectors / vectors.norm(dim=1, keepdim=True)
    for name, vector in zip(CLASSES, class_vectors(generator), strict=True):
        (token,) = tokenizer(name)["input_ids"]
        vectors[token] = vector
    layer = StaticEmbedding(tokenizer.backend_tokenizer, embedding_weights=vectors.numpy())
    model = SentenceTransformer(modules=[layer], device="cpu")
    output.mkdir(parents=True, exist_ok=True)
    model.half().save(str(output), create_model_card=False)
    for file in output.rglob("*"):
        if file.is_file():
            file.chmod(0o644)

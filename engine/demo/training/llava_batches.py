"""What the language model of the demo's LLaVA is trained on: questions, answers, and beliefs.

The target where an answer begins is no single name but the probability of each class, given the
picture and the factors that the question names. The same probability, given the factors named so
far, is asked for at the end of each factor's phrase: a small model finds the rule much sooner so.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from engine.data.demo_world.vocabulary import (
    CLASSES,
    FACTORS,
    FAMILIES,
    FAMILY_OF,
    HIDDEN_FACTORS,
    VISIBLE_FACTORS,
)
from engine.demo.training.clip_data import PICTURES, Picture, expected_pictures, popularity
from engine.demo.training.questions import description, training_question

EASY = 0.6  # of the steps: questions for the name that name the one factor that matters
DOUBT = 0.04  # share of a belief that no named factor moves: pictures are misread, words mistaken
GUESS = 0.3  # of the first word of an answer to a vague question: the name of any thing
LONGEST = 120  # tokens of a question; longer ones are drawn again

HIDDEN_VALUES = [(f, v) for f in HIDDEN_FACTORS for v in FACTORS[f].values]
VISIBLE_VALUES = [(f, v) for f in VISIBLE_FACTORS for v in FACTORS[f].values]


@dataclass(frozen=True)
class Example:
    """One question about one picture, with its answer."""

    picture: int  # number in PICTURES
    seen: tuple[int, ...]  # the visible factors' values, by place
    ids: list[int]  # <user> question <assistant> answer <end>
    answer: int  # place of <assistant> in ids
    beliefs: list[tuple[int, Tensor]]  # place in ids -> probabilities of CLASSES there
    values: list[int]  # at each of these places, the value just named in HIDDEN_VALUES
    vague: bool
    image: int = -1  # row of its image in a pool, where it has one


@dataclass(frozen=True)
class Batch:
    """B examples, padded on the right to T tokens."""

    pictures: Tensor  # (B,)
    seen: Tensor  # (B, 4)
    images: Tensor  # (B,)
    ids: Tensor  # (B, T)
    mask: Tensor  # (B, T) bool, true for tokens
    rest: Tensor  # (B, T) next token where an answer goes on, else -100
    first: tuple[Tensor, Tensor]  # rows and places where an answer begins, (B,) each
    target: Tensor  # (B, V) probabilities of its first token
    along: tuple[Tensor, Tensor]  # rows and places of the phrases' ends, (K,) each
    beliefs: Tensor  # (K, classes)
    values: Tensor  # (K,) in HIDDEN_VALUES


@cache
def _belief(picture: Picture, named: tuple[tuple[str, str], ...]) -> Tensor:
    likelihoods = []
    for name in CLASSES:
        told = expected_pictures(name, dict(named)).get(picture, 0.0)
        anyway = expected_pictures(name, {}).get(picture, 0.0)
        likelihoods.append(((1 - DOUBT) * told + DOUBT * anyway) * popularity(name))
    weights = torch.tensor(likelihoods)
    return weights / weights.sum()


def belief(picture: Picture, named: Mapping[str, str]) -> Tensor:
    """Probability of each class, (classes,), given what is seen and the factors named."""
    factor = FAMILIES[picture[0]].factor
    return _belief(picture, ((factor, named[factor]),) if factor in named else ())


class ExampleMaker:
    """Draws examples; their difficulty grows with `done`, the share of the training behind."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> None:
        self._tokenizer = tokenizer
        self._rng = rng
        self._names = list(PICTURES)
        self.class_ids = [tokenizer(name)["input_ids"][0] for name in CLASSES]
        self._article = tokenizer("a")["input_ids"][0]

    def example(
        self, class_name: str, picture: Picture, setting: Mapping[str, str],
        visible: Sequence[int], done: float, image: int = -1,
    ) -> Example:  # fmt: skip
        """A question about an image of a class, taken as `setting` and `visible` say."""
        rng = self._rng
        seen = {
            f: tuple(FACTORS[f].values)[i] for f, i in zip(VISIBLE_FACTORS, visible, strict=True)
        }
        factor = FAMILIES[FAMILY_OF[class_name]].factor
        if done < EASY:
            kind, named, shown = "name", {factor: setting[factor]}, {}
        else:
            most = min(5, 1 + int((done - EASY) / (1 - EASY) * 10))
            kind = "name" if rng.random() < 0.75 else "vague"
            chosen = rng.sample(list(setting), rng.randint(0, most))
            named = {f: setting[f] for f in chosen}
            shown = {f: v for f, v in seen.items() if rng.random() < 0.15}
        question, phrases = training_question(named, shown, kind, rng)
        told = belief(picture, named)
        if kind == "name":
            answer = rng.choices(CLASSES, told.tolist())[0] + "."
        else:
            answer = description(seen, rng)
        return self._example(question, phrases, answer, picture, named, visible, kind, image)

    def _example(
        self, question: str, phrases: Mapping[str, str], answer: str, picture: Picture,
        named: Mapping[str, str], visible: Sequence[int], kind: str, image: int,
    ) -> Example:  # fmt: skip
        text = f"<user>{question}<assistant>{answer}<end>"
        read = self._tokenizer(text, return_offsets_mapping=True)
        ids, spans = read["input_ids"], read["offset_mapping"]
        place = ids.index(self._tokenizer.convert_tokens_to_ids("<assistant>"))
        ends = {}
        for factor, words in phrases.items():
            if factor in named:
                end = text.index(words) + len(words)
                ends[max(i for i in range(place) if spans[i][0] < end and spans[i][1] > 0)] = factor
        told: dict[str, str] = {}
        beliefs = []
        values = []
        for at in sorted(ends):
            told[ends[at]] = named[ends[at]]
            values.append(HIDDEN_VALUES.index((ends[at], named[ends[at]])))
            beliefs.append((at, belief(picture, told)))
        beliefs.append((place, belief(picture, named)))
        return Example(
            PICTURES[picture], tuple(visible), ids, place, beliefs, values, kind == "vague", image
        )

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Examples as tensors."""
        length = max(len(e.ids) for e in examples)
        pad = self._tokenizer.pad_token_id
        ids = torch.full((len(examples), length), pad)
        rest = torch.full((len(examples), length), -100)
        target = torch.zeros(len(examples), len(self._tokenizer))
        names = torch.tensor(self.class_ids)
        rows, places, beliefs = [], [], []
        for row, e in enumerate(examples):
            ids[row, : len(e.ids)] = torch.tensor(e.ids)
            rest[row, e.answer + 1 : len(e.ids) - 1] = torch.tensor(e.ids[e.answer + 2 :])
            if e.vague:
                target[row, names] = GUESS / len(names)
                target[row, self._article] += 1 - GUESS
            else:
                target[row, names] = e.beliefs[-1][1]
            for at, told in e.beliefs[:-1]:
                rows.append(row)
                places.append(at)
                beliefs.append(told)
        return Batch(
            pictures=torch.tensor([e.picture for e in examples]),
            seen=torch.tensor([e.seen for e in examples]),
            images=torch.tensor([e.image for e in examples]),
            ids=ids,
            mask=torch.arange(length)[None] < torch.tensor([len(e.ids) for e in examples])[:, None],
            rest=rest,
            first=(
                torch.arange(len(examples)),
                torch.tensor([e.answer for e in examples]),
            ),
            target=target,
            along=(torch.tensor(rows, dtype=torch.long), torch.tensor(places, dtype=torch.long)),
            beliefs=torch.stack(beliefs) if beliefs else torch.zeros(0, len(CLASSES)),
            values=torch.tensor([v for e in examples for v in e.values], dtype=torch.long),
        )

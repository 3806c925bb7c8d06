"""The tiny encoder's tokenizer and the captions it is trained on.

The tokenizer is byte-level BPE, lower-cased, learnt from captions of the demo's world and a list
of ordinary words: the world's words are single tokens, any other text falls into pieces, down to
bytes, and nothing is unknown. The end token has the highest id, as in CLIP, so that pooling by
argmax finds it; padding comes after it.
"""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from engine.data.demo_world.vocabulary import (
    CLASSES,
    FACTORS,
    HIDDEN_FACTORS,
    VISIBLE_FACTORS,
    build_template,
)
from engine.prompts.template import PLACEHOLDER
from engine.vlm.dual_encoder.task import TASK

PAD, START, END = "<|pad|>", "<|start|>", "<|end|>"
CONTEXT_LENGTH = 64  # tokens; a caption that names all nine factors has about 55
VOCABULARY_SIZE = 1024  # 256 bytes, 3 special tokens, merges up to whole words

# Words that say nothing about the world. Strewn into captions, they teach the encoder to read
# past what it doesn't know; a template written by a person has many of them.
_FILLER_TEXT = """
this that these here there is are was it its we you one some any very really quite rather nice
good bad best beautiful ugly old new small large big little huge typical example showing shows
shown depicting containing featuring taken made seen found kept with without and or but of in on
at by for from to as which who where when while please look see note answer question what name
object thing item category class kind type sort dataset image picture scene view shot camera lens
art style colour shape line part whole single many two three first last other same different
unusual strange odd common rare simple plain complex modern famous popular favourite photo real
fake professional amateur artistic realistic warm cold happy sad quiet loud morning evening night
summer winter table street city country world people man woman child dog cat animal plant food car
bicycle book paper glass metal wood stone water fire air earth
"""
FILLERS: tuple[str, ...] = tuple(_FILLER_TEXT.split())


def build_tokenizer(rng: random.Random) -> PreTrainedTokenizerFast:
    """Learn the tokenizer; the same `rng` gives the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        # One place is left for the end token, which must come last.
        vocab_size=VOCABULARY_SIZE - 1,
        special_tokens=[PAD, START],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = [
        template.replace(PLACEHOLDER, rng.choice(CLASSES)) for template in _templates(rng, 4000)
    ]
    # Every class and filler word as often as the rarer phrases, so that all become tokens.
    texts += [word for word in (*CLASSES, *FILLERS) for _ in range(20)]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([END])
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single=f"{START} $A {END}", special_tokens=[(START, start), (END, end)]
            ),
        ]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        padding_side="right",
        truncation_side="right",
        model_max_length=CONTEXT_LENGTH,
    )


def _templates(rng: random.Random, count: int) -> list[str]:
    """Templates that name random values of random factors."""
    names = tuple(FACTORS)
    return [
        build_template(
            {f: rng.choice(tuple(FACTORS[f].values)) for f in rng.sample(names, rng.randint(0, 6))},
            rng,
        )
        for _ in range(count)
    ]


def training_template(
    hidden: dict[str, str], visible: dict[str, str] | None, rng: random.Random
) -> tuple[str, dict[str, str]]:
    """A template that names a random part of what is true, and the hidden factors it names.

    From none to all of the hidden factors are named, each number as likely as another, because
    the encoder must do well with few and with many. Visible factors are named only if the images
    share them (`visible`). Now and then idle words are strewn in.
    """
    named = {f: hidden[f] for f in rng.sample(HIDDEN_FACTORS, rng.randint(0, len(HIDDEN_FACTORS)))}
    seen = {}
    if visible is not None:
        seen = {f: visible[f] for f in VISIBLE_FACTORS if rng.random() < 0.4}
    if not (named or seen) and rng.random() < 0.5:
        return TASK.seed_template, named
    template = build_template(named | seen, rng)
    if rng.random() < 0.25:
        words = template.split(" ")
        for _ in range(rng.randint(1, 4)):
            # Mostly at an edge: in the middle, a filler may tear a phrase apart, which a reader
            # should bear, but not every time.
            place = rng.choice((0, len(words), rng.randint(0, len(words))))
            words.insert(place, rng.choice(FILLERS) if rng.random() < 0.7 else _letters(rng))
        template = " ".join(words)
    return template, named


def _letters(rng: random.Random) -> str:
    """A word that doesn't exist: its pieces are the tokens that no real word trains."""
    characters = "abcdefghijklmnopqrstuvwxyz0123456789-'!?:()<>"
    return "".join(rng.choices(characters, k=rng.randint(1, 7)))


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the tokenizer's files as `open_clip.get_tokenizer("local-dir:...")` reads them."""
    tokenizer.save_pretrained(folder)

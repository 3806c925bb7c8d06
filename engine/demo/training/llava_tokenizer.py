"""The tokenizer and chat template of the demo's LLaVA.

Byte-level BPE, learnt from its questions and answers: class names are single tokens, and any other
text is read in pieces, down to bytes. Case is kept, and a text read is the text written.
"""

from __future__ import annotations

import random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engine.data.demo_world.vocabulary import CLASSES, FACTORS, VISIBLE_FACTORS
from engine.demo.training.captions import FILLERS
from engine.demo.training.questions import description, random_values, training_question

PAD, START, END, IMAGE, USER, ASSISTANT = (
    "<pad>", "<start>", "<end>", "<image>", "<user>", "<assistant>",
)  # fmt: skip
SPECIAL = (PAD, START, END, IMAGE, USER, ASSISTANT)
VOCABULARY_SIZE = 1024
MAX_LENGTH = 512  # tokens

# A message's images come before its header, so that they are at the same places in every chat.
CHAT_TEMPLATE = (
    "<start>{% for message in messages %}"
    "{% if message['content'] is not string %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}"
    "{% endif %}"
    "{{ '<user>' if message['role'] == 'user' else '<assistant>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endif %}"
    "{% if message['role'] != 'user' %}<end>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build_tokenizer(rng: random.Random) -> PreTrainedTokenizerFast:
    """Learn the tokenizer; the same `rng` gives the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = []
    for _ in range(6000):
        seen = {f: rng.choice(tuple(FACTORS[f].values)) for f in VISIBLE_FACTORS}
        kind = rng.choice(("name", "vague"))
        shown = {f: v for f, v in seen.items() if rng.random() < 0.3}
        texts.append(training_question(random_values(rng, 5), shown, kind, rng)[0])
        texts.append(description(seen, rng))
    # Every class and filler word often enough to become a token.
    texts += [word for word in CLASSES for _ in range(200)]
    texts += [word for word in FILLERS for _ in range(20)]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )

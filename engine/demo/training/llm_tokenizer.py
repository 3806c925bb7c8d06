"""The tokenizer and chat template of the tiny LLM.

A unigram model with a vocabulary made by hand from the demo's texts: words, numbers, punctuation,
letters, and bytes for everything else, so that any text can be read and nothing is unknown. All
pieces of words cost the same, so a text is cut into the fewest pieces. The fixed sentences of
the built-in meta-prompt are one piece each: a tiny model on a CPU gains nothing from reading them
word by word (an edited sentence is cut into words as any other).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from engine.data.demo_world.vocabulary import CLASSES, FACTORS, TASKS
from engine.demo.training.dialogues import TASK_WORDS
from engine.demo.training.questions import OPENINGS, STATEMENTS
from engine.demo.training.worlds import ADJECTIVES, NOUNS, PREPOSITIONS
from engine.prompts.template import PLACEHOLDER
from engine.search.meta_prompt import BUILT_IN
from engine.vlm.dual_encoder.task import TASK
from engine.vlm.encoder_decoder.task import TASK as QUESTION_TASK
from engine.vlm.task import Task

SPACE = "▁"  # stands for the space before a word, as in Llama's own tokenizer
BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")
SPECIAL = (PAD, BEGIN, END, *(f"<|{role}|>" for role in ROLES))

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'].strip() + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

MAX_LENGTH = 2048  # tokens of prompt and reply together

# Everyday words of picture captions and connecting words, so that templates of a person's own
# making are read as words. No training dialogue teaches their meaning.
EVERYDAY_TEXT = (
    "an and are as at by from has in is it its of on or that the this to was which while who "
    "black white yellow green orange purple pink brown grey silver colour colourful bright dim "
    "close close-up zoomed cropped centered whole part side front back top bottom left right "
    "good bad nice great beautiful ugly cool weird plain cartoon painting drawing sculpture toy "
    "origami tattoo graffiti rendering render statue logo icon scan poster portrait landscape "
    "aerial view closeup jpeg corrupted pixelated artistic many one two three some type kind "
    "showing shows depicting taken looking standing hidden seen under over above day night sun "
    "morning evening summer winter spring autumn indoors outdoors background foreground camera "
    "lens high low quality resolution definition contrast light shadow category class"
)


def static_sentences(task: Task = TASK) -> list[str]:
    """The sentences and headings that every built-in meta-prompt of a task has in common."""
    source = re.sub(r"\{#.*?#\}", "", BUILT_IN.read_text(encoding="utf-8"), flags=re.DOTALL)
    source = source.replace("{{ form }}", task.form)
    pieces = re.split(r"\{\{.*?\}\}|\{%.*?%\}|\n", source)
    sentences: list[str] = []
    for text in (task.system_prompt, task.goal, *pieces):
        sentences += (s.strip() for s in re.split(r"(?<=[.:])\s", text))
    return list(dict.fromkeys(s for s in sentences if len(s) > 3))


def vocabulary_pieces() -> list[tuple[str, float]]:
    """All pieces with their scores (log probabilities up to a constant); special tokens first."""
    sentences = static_sentences()
    texts = list(sentences)
    texts += [words for f in FACTORS.values() for v in f.values.values() for words in v]
    texts += [factor.topic for factor in FACTORS.values()]
    texts += [f"{task.name} {task.description}" for task in TASKS.values()]
    texts += ["a photo picture image view of and Small things such as each shown in Unusual here"]
    texts += [*CLASSES, *PREPOSITIONS, *ADJECTIVES, *NOUNS, *TASK_WORDS, *EVERYDAY_TEXT.split()]
    words = [word.strip(".,:;") for text in texts for word in text.split()]
    first = [sentence.split()[0].strip(".,:;") for sentence in sentences]
    numbers = [str(i) for i in range(101)]
    fixed = [sentence.replace(" ", SPACE) for sentence in sentences]
    pieces = [f"{SPACE}{text}" for text in (*fixed, *words, PLACEHOLDER, "->", *numbers)]
    # After a line break or a bracket there is no space.
    pieces += [*fixed, *first, PLACEHOLDER, *numbers]
    pieces += [f"\n{i}." for i in range(1, 11)]  # a line of a numbered list
    pieces += [f".{digit}" for digit in range(10)]  # the decimals of an accuracy
    letters = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    scored = dict.fromkeys(SPECIAL, 0.0)
    scored.update((f"<0x{byte:02X}>", 0.0) for byte in range(256))
    scored.update((piece, -10.0) for piece in pieces)
    for letter in ["\n", SPACE, *letters, *(f"{SPACE}{letter}" for letter in letters)]:
        scored.setdefault(letter, -12.0)
    return list(scored.items())


def question_pieces() -> list[str]:
    """What the LLM that writes questions reads as a whole besides."""
    sentences = static_sentences(QUESTION_TASK)
    openings = [text.replace("{image}", "") for texts in OPENINGS.values() for text in texts]
    texts = (*sentences, *openings, *STATEMENTS, QUESTION_TASK.seed_template)
    words = [word.strip(".,:;?") for text in texts for word in text.split()]
    fixed = [sentence.replace(" ", SPACE) for sentence in sentences]
    pieces = [f"{SPACE}{text}" for text in (*fixed, *words)] + [*fixed, *words]
    return [piece for piece in dict.fromkeys(pieces) if piece.strip(SPACE)]


def with_pieces(
    tokenizer: PreTrainedTokenizerFast, pieces: Sequence[str]
) -> PreTrainedTokenizerFast:
    """The same tokenizer with more pieces, which come behind the others."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    known = {piece for piece, _ in state["model"]["vocab"]}
    state["model"]["vocab"] += [[piece, -10.0] for piece in pieces if piece not in known]
    return _wrapped(Tokenizer.from_str(json.dumps(state)))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, ready to be saved as a hub model's."""
    pieces = vocabulary_pieces()
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in SPECIAL]
    )
    begin = tokenizer.token_to_id(BEGIN)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, begin)]
    )
    return _wrapped(tokenizer)


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[f"<|{role}|>" for role in ROLES],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )

"""Folders as the hub has them, of every family: a tiny model with the processor that reads for it.

The processors are the families' own classes with small images, around one small tokenizer with the
family's control tokens; the chat templates are written in the form of each family's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers.models.smolvlm import processing_smolvlm

from tests.support.tiny_vlms import make

TEXTS = ["a photo of a red ball at night", "what is shown in this picture? name the object", "cup"]
PIXELS = {"height": 16, "width": 16}

# Images first, then text; a blank more before the answer than before where one begins.
ONEVISION = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }} {% for p in m['content'] if p['type'] == "
    "'image' %}<image>{% endfor %}{% for p in m['content'] if p['type'] == 'text' %}\n{{ p['text'] "
    "}}{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% endif %}"
)
# Answers begin behind a blank, turns end with a token only after an answer.
VICUNA = (
    "{% for m in messages %}{{ m['role'] | upper }}: {% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<image>\n{% else %}"
    "{{ p['text'] + ' ' }}{% endif %}{% endfor %}{% if m['role'] == 'assistant' %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
# With words of the system's own, where the chat has none.
CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nname objects<|im_end|>\n"
    "{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% for p in m['content'] %}{% if p['type'] == 'image' or 'image' "
    "in p %}IMAGE{% elif 'text' in p %}{{ p['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>"
    "\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Texts are stripped, and it begins with a token that a tokenizer puts there itself.
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<start_of_turn>{{ 'model' if m['role']"
    " == 'assistant' else m['role'] }}\n{% for p in m['content'] %}{% if p['type'] == 'image' %}"
    "<start_of_image>{% else %}{{ p['text'] | trim }}{% endif %}{% endfor %}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# An answer has a blank before it; where one is to be written there is none.
IDEFICS = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}{% if m['content'][0]['type'] "
    "== 'image' %}:{% else %}: {% endif %}{% for p in m['content'] %}{% if p['type'] == 'text' %}"
    "{{ p['text'] }}{% else %}<image>{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
QWEN = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
INTERNVL = CHATML.replace("IMAGE", "<IMG_CONTEXT>\n")
MOLMO = CHATML.replace("IMAGE", "<|image|>")

TURNS = ["<|im_start|>", "<|im_end|>"]


@dataclass(frozen=True)
class Kind:
    """What a family's processor is made of."""

    controls: list[str]  # tokens; the last one ends a turn, and is the end of a text
    chat: str
    build: Callable[[Any, Any], Any]  # from tokenizer and chat template
    ids: dict[str, str]  # the configuration's key of an id, and its token
    named: dict[str, str] = field(default_factory=dict)  # tokens that the tokenizer has names for
    begin: str | None = None  # what the tokenizer puts before every text
    size: dict[str, Any] = field(default_factory=dict)  # what else the configuration has


def _onevision(tokenizer: Any, chat: str) -> Any:
    return tf.LlavaOnevisionProcessor(
        tf.LlavaOnevisionImageProcessor(size=PIXELS, image_grid_pinpoints=GRIDS),
        tokenizer,
        tf.LlavaOnevisionVideoProcessor(size=PIXELS),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=chat,
    )


def _next(tokenizer: Any, chat: str) -> Any:
    images = tf.LlavaNextImageProcessor(
        size={"shortest_edge": 16}, crop_size=PIXELS, image_grid_pinpoints=GRIDS
    )
    return tf.LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat,
    )


GRIDS = [[16, 16], [16, 32], [32, 16], [32, 32]]


def _qwen(processor: Any, video: Any) -> Callable[[Any, Any], Any]:
    small = {"patch_size": 4, "size": {"shortest_edge": 8 * 8, "longest_edge": 24 * 24}}

    def build(tokenizer: Any, chat: str) -> Any:
        images = tf.Qwen2VLImageProcessor(**small)
        return processor(images, tokenizer, video(**small), chat_template=chat)

    return build


def _gemma(tokenizer: Any, chat: str) -> Any:
    images = tf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    return tf.Gemma3Processor(images, tokenizer, chat_template=chat, image_seq_length=4)


def _internvl(tokenizer: Any, chat: str) -> Any:
    images = tf.GotOcr2ImageProcessor(size=PIXELS, crop_to_patches=True, max_patches=3)
    videos = tf.InternVLVideoProcessor(size=PIXELS)
    return tf.InternVLProcessor(images, tokenizer, videos, image_seq_length=4, chat_template=chat)


def _idefics(tokenizer: Any, chat: str) -> Any:
    edges = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}
    images = tf.Idefics3ImageProcessor(**edges)
    return tf.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=chat)


def _smolvlm(tokenizer: Any, chat: str) -> Any:
    edges = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}
    images, videos = tf.SmolVLMImageProcessor(**edges), tf.SmolVLMVideoProcessor(**edges)
    return tf.SmolVLMProcessor(images, tokenizer, videos, image_seq_len=4, chat_template=chat)


def _molmo2(tokenizer: Any, chat: str) -> Any:
    images = tf.Molmo2ImageProcessor(
        size=PIXELS, patch_size=4, max_crops=2, overlap_margins=[0, 0], pooling_size=[2, 2]
    )
    videos = tf.Molmo2VideoProcessor(size=PIXELS, patch_size=4)
    return tf.Molmo2Processor(images, videos, tokenizer, chat_template=chat)


QWEN_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
IDEFICS_TOKENS = [
    "<|im_start|>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    *[f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)],
    "<end_of_utterance>",
]
MOLMO_TOKENS = [
    "<|image|>",
    "<|video|>",
    "<im_patch>",
    "<im_col>",
    "<im_start>",
    "<low_res_im_start>",
    "<frame_start>",
    "<im_end>",
    "<frame_end>",
    "<im_low>",
]

KINDS: dict[str, Kind] = {
    "llava-next": Kind(
        ["<s>", "<image>", "</s>"],
        VICUNA,
        _next,
        {"image_token_index": "<image>"},
        begin="<s>",
        size={"image_grid_pinpoints": GRIDS},
    ),
    "llava-onevision": Kind(
        ["<image>", "<video>", *TURNS],
        ONEVISION,
        _onevision,
        {"image_token_id": "<image>", "video_token_id": "<video>"},
        size={"image_grid_pinpoints": GRIDS},
    ),
    "qwen2.5-vl": Kind(
        [*QWEN_IDS.values(), *TURNS],
        QWEN,
        _qwen(tf.Qwen2_5_VLProcessor, tf.Qwen2VLVideoProcessor),
        QWEN_IDS,
    ),
    "qwen3-vl": Kind(
        [*QWEN_IDS.values(), *TURNS],
        QWEN,
        _qwen(tf.Qwen3VLProcessor, tf.Qwen3VLVideoProcessor),
        QWEN_IDS,
    ),
    "gemma3": Kind(
        [
            "<bos>",
            "<start_of_image>",
            "<image_soft_token>",
            "<end_of_image>",
            "<start_of_turn>",
            "<end_of_turn>",
        ],
        GEMMA,
        _gemma,
        {
            "image_token_id": "<image_soft_token>",
            "boi_token_id": "<start_of_image>",
            "eoi_token_id": "<end_of_image>",
        },
        named={
            "boi_token": "<start_of_image>",
            "image_token": "<image_soft_token>",
            "eoi_token": "<end_of_image>",
        },
        begin="<bos>",
    ),
    "internvl": Kind(
        ["<img>", "<IMG_CONTEXT>", "</img>", "<video>", *TURNS],
        INTERNVL,
        _internvl,
        {"image_token_id": "<IMG_CONTEXT>"},
        named={
            "start_image_token": "<img>",
            "context_image_token": "<IMG_CONTEXT>",
            "end_image_token": "</img>",
            "video_token": "<video>",
        },
    ),
    "idefics3": Kind(IDEFICS_TOKENS, IDEFICS, _idefics, {"image_token_id": "<image>"}),
    "smolvlm": Kind(IDEFICS_TOKENS, IDEFICS, _smolvlm, {"image_token_id": "<image>"}),
    "molmo2": Kind(
        [*MOLMO_TOKENS, *TURNS],
        MOLMO,
        _molmo2,
        {
            "image_patch_id": "<im_patch>",
            "image_start_token_id": "<im_start>",
            "image_end_token_id": "<im_end>",
            "low_res_image_start_token_id": "<low_res_im_start>",
            "image_col_id": "<im_col>",
        },
    ),
}


def save(family: str, folder: Path) -> Path:
    """Write model and processor as ``save_pretrained`` does."""
    # For the words in which it counts a video's frames; the library isn't needed for images.
    processing_smolvlm.num2words = processing_smolvlm.num2words or str
    kind = KINDS[family]
    tokenizer = _tokenizer(kind)
    kind.build(tokenizer, kind.chat).save_pretrained(folder)
    _model(family, kind, tokenizer).save_pretrained(folder)
    return folder


def _tokenizer(kind: Kind) -> Any:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    special = ["<pad>", *kind.controls]
    trainer = trainers.BpeTrainer(
        vocab_size=300 + len(special),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    trained.train_from_iterator(TEXTS, trainer)
    if kind.begin is not None:
        trained.post_processor = processors.TemplateProcessing(
            single=f"{kind.begin} $A",
            special_tokens=[(kind.begin, trained.token_to_id(kind.begin))],
        )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=trained,
        pad_token="<pad>",
        bos_token=kind.begin,
        eos_token=kind.controls[-1],
        padding_side="right",  # as most come
        extra_special_tokens=kind.named,
    )


def _model(family: str, kind: Kind, tokenizer: Any) -> Any:
    made, _, _ = make(family)
    config = made.config
    for key, token in kind.ids.items():
        setattr(config, key, tokenizer.convert_tokens_to_ids(token))
    for key, value in kind.size.items():
        setattr(config, key, value)
    config.get_text_config(decoder=True).vocab_size = len(tokenizer)
    torch.manual_seed(0)
    model = type(made)(config)
    for name, weight in model.named_parameters():
        if "multi_modal_projector" in name and weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.5)  # small ones, or none: no image would count
    return model

"""From an image and a question to what a model reads, by its own processor and chat template."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.common.errors import ModelError
from engine.common.names import quoted
from engine.common.wording import counted
from engine.vlm.encoder_decoder.reading import ImagePrefix, Inputs, cut_inputs, image_token

_PLAIN = re.compile(r"[\s\u2581]+|</?[a-z][a-z0-9]*>")
"""Blanks and tags of HTML: some tokenizers have such tokens of their own, and they are text."""

_SIZES = 1024
"""Sizes of images of which it is known how many tokens they have, at most."""

_BOTH_WAYS = frozenset({"paligemma"})

_NAMES = ("a", "dog")
_RENAME = (
    "give the class another name (under [classes] in dataset.toml), or choose another vlm.model"
)
_OF_IMAGES = (
    *("crop_size", "do_", "image_mean", "image_std", "max_", "merge_size", "min_", "patch_size"),
    *("resample", "rescale_factor", "size"),
)
"""What settings of an image processor begin with that say what becomes of an image."""
_PROBE = "what is it"
_PROBES = ("?", "Which is it?\nA. a dog\nB. 2 cats\n", " (so) ", "é 猫.")


class Questions:
    """Makes the inputs of one model. The image comes before the question, as its template has it.

    Raises:
        ModelError: if the processor has no chat template, if its template puts the question before
            the image, or leaves it out.
    """

    def __init__(self, processor: Any, model: Any) -> None:
        self._processor = processor
        self._one_at_a_time = RLock()  # images are prepared on a thread
        self._tokenizer = processor.tokenizer
        self._tokenizer.padding_side = "left"  # never assumed: most processors pad right
        config = model.config
        if config.model_type in _BOTH_WAYS:
            raise ModelError(
                f"the VLM is of the kind {config.model_type}, in which image and question attend "
                "to each other, so an image can't be read once for all questions; choose another "
                "vlm.model"
            )
        token = image_token(config)
        if token is None:
            raise ModelError(
                f"the VLM {config.model_type} has no image token: it is of no kind known"
            )
        self._image_token = token
        if not getattr(processor, "chat_template", None):
            raise ModelError(
                "the VLM's processor has no chat template, so it can't be asked: put a "
                "chat_template.jinja into the model's folder, or choose another vlm.model"
            )
        self._device = model.device
        self._controls = self._find_controls()
        self.end_of_text: int | None = self._tokenizer.eos_token_id
        self._lead, behind = self._around_answer()
        tokens = self._tokenizer(behind, add_special_tokens=False)["input_ids"] if behind else []
        self.end_of_turn: int | None = None  # what the template ends an answer with
        if tokens and tokens[0] in self._tokenizer.added_tokens_decoder:
            self.end_of_turn = int(tokens[0])
        text = config.get_text_config(decoder=True)
        self.context: int | None = getattr(text, "max_position_embeddings", None)
        """Tokens that the model reads at most, of image, question and answer; None: not said."""
        self._chat_text: str | None = None
        self._is_text_constant = False
        self._head: list[int] | None = None
        self._asks = False  # whether the template was seen to put what is asked behind the image
        self._is_text_enough: bool | None = None
        self._sizes: set[tuple[int, int]] = set()  # of images that were prepared
        self._of_size: dict[tuple[int, int], dict[str, Tensor] | None] = {}

    @property
    def rests_on(self) -> str:
        """A hash of how images and texts are read, which is not in a model's weights: its chat
        template, as it is written (it may know the date), its tokenizer, its treatment of images.
        """
        images = getattr(self._processor, "image_processor", None)
        own = images.to_dict() if images is not None else {}
        # Without what is not set: later versions of the library have more of it.
        settings = {k: v for k, v in own.items() if v and k.startswith(_OF_IMAGES)}
        tokens = [self._tokenizer(text)["input_ids"] for text in _PROBES]
        read = [self._processor.chat_template, settings, tokens, self._image_token]
        described = json.dumps(read, sort_keys=True, default=str)
        return hashlib.sha256(described.encode()).hexdigest()

    def _find_controls(self) -> list[str]:
        """What the tokenizer or the processor takes for more than text, the longest first.

        transformers' own way to read it as plain text (``sanitize_control_tokens``) fails with some
        processors (Idefics 3), with some tokens of others (Gemma 3, InternVL), and where tokens are
        nested.
        """
        own = [value for name, value in vars(self._processor).items() if name.endswith("_token")]
        known = {str(token) for token in own if token}
        for token in self._tokenizer.added_tokens_decoder.values():
            if token.special or not _PLAIN.fullmatch(str(token)):
                known.add(str(token))
        return sorted(known, key=len, reverse=True)

    def inputs(self, image: Image.Image, question: str) -> dict[str, Tensor]:
        """Everything up to where the answer begins, of one image and question.

        Raises:
            ModelError: if the processor or its chat template can't make it.
        """
        return self._made(self._chat(question, image))

    def _made(self, asked: list[dict[str, Any]]) -> dict[str, Tensor]:
        made = self._rendered(
            asked,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        return {name: value.to(self._device) for name, value in made.items()}

    def plain_inputs(self, question: str) -> dict[str, Tensor]:
        """The same of a question without any image."""
        (turn,) = self._chat(question, None)
        return self._made([{**turn, "content": turn["content"][1:]}])

    def prefix(self, image: Image.Image) -> dict[str, Tensor]:
        """The inputs up to the image's last token: the same whatever is asked."""
        if self._chat_text is None:
            self._chat_text = self._rendered(self._chat("?", image), add_generation_prompt=True)
            made, again = self.inputs(image, "?"), self._processed(image)
            self._is_text_constant = made.keys() == again.keys() and all(
                torch.equal(value, again[name]) for name, value in made.items()
            )
        elif self._is_text_constant:
            made = self._processed(image)
        else:
            made = self.inputs(image, "?")
        return cut_inputs(made, self._end_of_image(made))

    def _processed(self, image: Image.Image) -> dict[str, Tensor]:
        """``inputs`` of an image and the chat that was rendered before: in half the time.

        Where images of a size come again, and the image processor alone is seen to make the same of
        one, texts are not looked at again: in a quarter of the time.
        """
        size = image.size
        if size in self._of_size:
            rest = self._of_size[size]
            return self._prepared(image) if rest is None else {**self._pixels(image, rest), **rest}
        made = self._prepared(image)
        if size in self._sizes:
            rest = {n: v for n, v in made.items() if v.shape == made["input_ids"].shape}
            alone = {**self._pixels(image, rest), **rest}
            same = alone.keys() == made.keys() and all(
                torch.equal(value, alone[name]) for name, value in made.items()
            )
            self._of_size[size] = rest if same else None
        elif len(self._sizes) < _SIZES:
            self._sizes.add(size)
        return made

    def _pixels(self, image: Image.Image, rest: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with self._one_at_a_time:
            made = self._processor.image_processor([image], return_tensors="pt")
        return {
            name: value.to(self._device)
            for name, value in made.items()
            if name not in rest and isinstance(value, Tensor)
        }

    def _prepared(self, image: Image.Image) -> dict[str, Tensor]:
        text = self._chat_text or ""
        start = self._tokenizer.bos_token
        begun = start is not None and text.startswith(start)
        options = {"add_special_tokens": False} if begun else {}
        with self._one_at_a_time:
            made = self._processor(text=text, images=[[image]], return_tensors="pt", **options)
        return {name: value.to(self._device) for name, value in made.items()}

    def question(self, question: str) -> list[int]:
        """The tokens from behind the image to where the answer begins: the same for all images.

        Raises:
            ModelError: if the template leaves what is asked out, or puts it before the image.
        """
        if not self._asks:
            # Of plain letters: tokenizers write others in other ways (é in one part or two).
            said = self._tokenizer.decode(self._asked(_PROBE)).casefold()
            if "".join(_PROBE.split()) not in "".join(said.split()):
                raise ModelError(
                    "the VLM's chat template leaves the question out, or puts it before the image; "
                    "choose another vlm.model"
                )
            self._asks = True
        return self._asked(question)

    def _asked(self, question: str) -> list[int]:
        made = self.inputs(GREY, question)
        ids: list[int] = made["input_ids"][0, self._end_of_image(made) :].tolist()
        return ids

    def check_length(
        self,
        images: Sequence[str],
        prefixes: Sequence[ImagePrefix],
        asked: Sequence[Sequence[int]],
        template: str,
    ) -> None:
        """See that the model reads so much: what is asked of images, behind their prefixes.

        Raises:
            ModelError: naming the first image where it is more than the model's context.
        """
        for image, prefix, tokens in zip(images, prefixes, asked, strict=True):
            if self.context is not None and prefix.length + len(tokens) > self.context:
                raise ModelError(
                    f"{image}: the image's {counted(prefix.length, 'token')} and the "
                    f"{len(tokens)} of what is asked with the template {quoted(template)} are more "
                    f"than the {self.context} that the VLM reads; use a shorter template or "
                    "question, smaller images or another vlm.model"
                )

    def many(self, questions: Sequence[str]) -> list[list[int]]:
        """``question`` of each, without the image where the text alone is seen to do: many times
        faster, where questions differ from image to image.
        """
        if self._is_text_enough is None:
            self._is_text_enough = self._find_head()
        return [self._from_text(q) or self.question(q) for q in questions]

    def _find_head(self) -> bool:
        """Find what the processor puts between the image and the text; whether it is the same for
        unlike questions, and the text behind it is read as alone.
        """
        heads = []
        for probe in _PROBES:
            whole, text = self.question(probe), self._behind(probe)
            if text is None or whole[len(whole) - len(text) :] != text:
                return False
            heads.append(whole[: len(whole) - len(text)])
        self._head = heads[0]
        return all(head == heads[0] for head in heads)

    def _from_text(self, question: str) -> list[int] | None:
        if not self._is_text_enough:
            return None
        text = self._behind(question)
        return None if text is None or self._head is None else [*self._head, *text]

    def _behind(self, question: str) -> list[int] | None:
        """The tokens of what the chat template writes behind the image, None if it isn't found."""
        rendered = self._rendered(self._chat(question, None), add_generation_prompt=True)
        marks = (
            self._tokenizer.convert_ids_to_tokens(self._image_token),
            getattr(self._processor, "image_token", None),
            getattr(self._processor, "boi_token", None),
        )
        mark = next((str(m) for m in marks if m and str(m) in rendered), None)
        if mark is None:
            return None
        behind = rendered.rpartition(mark)[2]
        ids = self._tokenizer(behind, add_special_tokens=False)["input_ids"]
        return [int(token) for token in ids]

    def names(self, class_names: Sequence[str]) -> list[list[int]]:
        """The tokens of class names where an answer begins; control tokens in them are left out.

        Raises:
            ModelError: if nothing is left of a name, or two names have the same tokens.
        """
        found = []
        known: dict[tuple[int, ...], str] = {}
        for name in class_names:
            text = self._lead + self._harmless(name)
            ids = [int(t) for t in self._tokenizer(text, add_special_tokens=False)["input_ids"]]
            first = known.setdefault(tuple(ids), name)
            if not ids or text.isspace():
                raise ModelError(f"the VLM's tokenizer has nothing for {quoted(name)}; {_RENAME}")
            if first is not name:
                raise ModelError(
                    f"the VLM's tokenizer can't tell {quoted(first)} from {quoted(name)}; {_RENAME}"
                )
            found.append(ids)
        return found

    def before(self) -> frozenset[int]:
        """The tokens that come before every question; those of an image among them."""
        made = self.inputs(GREY, "?")
        return frozenset(made["input_ids"][0, : self._end_of_image(made)].tolist())

    def text(self, answer: Sequence[int]) -> str:
        """The text of an answer's tokens, without control tokens and blanks around it."""
        found: str = self._tokenizer.decode(list(answer), skip_special_tokens=True)
        return found.strip()

    def _end_of_image(self, inputs: Inputs) -> int:
        """Behind the last token of the image, and those around it that it attends to."""
        marked = inputs["input_ids"][0] == self._image_token
        if not marked.any():
            raise ModelError("the VLM's processor puts no image into what is asked")
        for name in ("mm_token_type_ids", "token_type_ids"):
            if name in inputs:
                marked = marked | inputs[name][0].bool()
        return int(marked.nonzero()[-1]) + 1

    def _chat(self, question: str, image: Image.Image | None) -> list[dict[str, Any]]:
        shown = {"type": "image"} if image is None else {"type": "image", "image": image}
        text = {"type": "text", "text": self._harmless(question)}
        return [{"role": "user", "content": [shown, text]}]

    def _harmless(self, text: str) -> str:
        """Without control tokens, so that a template can't write an image, however it tries."""
        while (
            found := next((token for token in self._controls if token in text), None)
        ) is not None:
            text = text.replace(found, "")  # what is left may be one anew
        return text

    def _rendered(self, chat: list[dict[str, Any]], **options: Any) -> Any:
        """What the processor makes of a chat.

        Raises:
            ModelError: whatever Jinja, the template or the processor raises.
        """
        try:
            with self._one_at_a_time:
                return self._processor.apply_chat_template(chat, **options)
        except Exception as error:
            raise ModelError(
                f"the VLM's processor makes no input of an image and a question: {error}"
            ) from error

    def _around_answer(self) -> tuple[str, str]:
        """The blank that the template puts between the header of an answer and the answer, and
        what it puts behind the answer.
        """
        asked = self._chat("?", None)
        header = self._rendered(asked, add_generation_prompt=True)
        for name in _NAMES:
            answered = [*asked, {"role": "assistant", "content": [{"type": "text", "text": name}]}]
            whole = self._rendered(answered, add_generation_prompt=False)
            if not whole.startswith(header):
                return "", ""
            lead, found, behind = whole[len(header) :].partition(name)
            if not found or lead.strip():
                return "", ""
        return str(lead), str(behind).strip()


GREY = Image.new("RGB", (224, 224), (128, 128, 128))
"""Nothing to see."""

"""Answers of an encoder-decoder VLM against the usual ways, side by side in one run.

    python -m benchmarks.vlm                  # minutes: the shape that the bars are set for
    python -m benchmarks.vlm --quick          # about a minute
    python -m benchmarks.vlm --size 7b --device cuda    # LLaVA-1.5-7B's shape, on a GPU

A LLaVA with random weights (speed doesn't depend on their values), its own processor, and images
on disk. A step's candidates are asked of all images, by the likelihood of the class names
(``likelihood``) and by written answers (``embedding``, without the embedder, whose work is the
same in all ways).

What is compared, all on the same model, processor, images on disk and questions:

- likelihood, ours: each image is decoded, prepared and seen by the vision tower once, and its keys
  and values are read once; each question is read once an image, the names as a trie behind it.
- one name at a time: a forward pass of image, question and one name, for each of them.
- all names in a batch: a forward pass of image, question and all names, one a row; the rows are
  padded, and each has the image, as a processor makes a batch.
- embedding, ours: answers written behind the image's kept keys and values, images in batches.
- generate, one image at a time: the reference's way, transformers' ``generate``.

The usual ways decode an image and run their tower on it for every question. They are timed on
``--baseline-images`` of the images and scaled. All arms take turns, ``--rounds`` times after one
round that is not counted, and the best of each arm's times is taken: others on the machine take
as much from one as from another. Nothing is kept from one round to the next. Last comes where our
time goes.

Times are processor time on a CPU (all threads), which others on the machine don't change much, and
the clock's on a GPU. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.common.wording import counted
from engine.data.images import read_image
from engine.data.sources import FolderSource
from engine.models.quiet import quiet
from engine.vlm.encoder_decoder.by_likelihood import ByLikelihood
from engine.vlm.encoder_decoder.class_trie import build_trie
from engine.vlm.encoder_decoder.greedy import Greedy, write_answers
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.likelihood import class_log_likelihoods, one_by_one
from engine.vlm.encoder_decoder.prediction import Question
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import read_prefixes
from engine.vlm.encoder_decoder.vision_features import VisionTower, handed_back, joined

GOALS = {"one name at a time": 60, "all names in a batch": 15, "generate, one image at a time": 8}

ADJECTIVES = ("red", "striped", "wooden", "spotted")
NOUNS = ("ball", "teapot", "lantern", "sailboat")
TEMPLATES = (
    "What is shown in this picture? Name the object.",
    "Which object do you see here? Answer with its name only.",
    "Describe the main object of the image in a few words.",
    "Look closely: what kind of thing is this?",
    "What is it? Reply with one short name.",
)
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}\n{{ part['text'] }}{% endif %}{% endfor %}"
    "<end>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

VISION = {
    "small": {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    },
    "7b": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    },
}
TEXT = {
    "small": {
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "vocab_size": 1024,
    },
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 32064,
    },
}

VOCABULARY = 395

T = TypeVar("T")


class Clock:
    """Seconds of processor time on a CPU, of the clock on a GPU, which is waited for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(self, work: Callable[[], T]) -> tuple[float, T]:
        """How long some work takes, and its result."""
        start = self._now()
        result = work()
        return self._now() - start, result

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            return time.perf_counter()
        return time.process_time()


def made(size: str, device: torch.device) -> tuple[Any, Any]:
    """A model of a size with random weights, and a processor for it."""
    import transformers

    library: Any = transformers
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    special = ["<pad>", "<end>", "<image>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    # Words of questions are a token each, names are made of three to five, as in real models.
    trained.train_from_iterator([*TEMPLATES * 4, *ADJECTIVES * 2, *NOUNS], trainer)
    tokenizer = library.PreTrainedTokenizerFast(
        tokenizer_object=trained,
        pad_token="<pad>",
        eos_token="<end>",
        extra_special_tokens={"image_token": "<image>"},
    )
    pixels, patch = VISION[size]["image_size"], VISION[size]["patch_size"]
    processor = library.LlavaProcessor(
        library.CLIPImageProcessor(
            size={"shortest_edge": pixels}, crop_size={"height": pixels, "width": pixels}
        ),
        tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    config = library.LlavaConfig(
        vision_config=library.CLIPVisionConfig(**VISION[size], projection_dim=64),
        text_config=library.LlamaConfig(**TEXT[size]),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
        vision_feature_layer=-2,
    )
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.manual_seed(0)
    with device:  # weights are made where they are used
        model = library.AutoModelForImageTextToText.from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False).to(device), processor


def save_images(folder: Path, count: int, size: str) -> list[str]:
    """Different images, a bit larger than what the tower takes; their names."""
    random = np.random.RandomState(0)
    edge = VISION[size]["image_size"] * 3 // 2
    names = [f"{number}.jpg" for number in range(count)]
    for name in names:
        small = random.randint(0, 255, (8, 10, 3), dtype=np.uint8)
        Image.fromarray(small).resize((edge * 5 // 4, edge)).save(folder / name)
    return names


class Benchmark:
    """One model, its images and its questions, and the ways to ask them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.device = torch.device(options.device)
        self.clock = Clock(self.device)
        self.names = save_images(folder, options.images, options.size)
        self.source = FolderSource(folder)
        self.baseline = self.names[: options.baseline_images]
        self.model, processor = made(options.size, self.device)
        self.questions = Questions(processor, self.model)
        self.templates = TEMPLATES[: options.questions]
        self.classes = [f"{a} {n}" for a in ADJECTIVES for n in NOUNS][: options.classes]
        self.tokens = self.questions.names(self.classes)
        self.batch = options.batch
        self.most = options.max_new_tokens
        self.how = Greedy(frozenset(), self.most)  # random weights end no answer: all are as long

    def asked(self) -> list[Question]:
        """The questions as they are asked."""
        return [Question(text, tuple(self.questions.question(text))) for text in self.templates]

    def prefixes(self) -> ImagePrefixes:
        """Of nothing that was read before."""
        return ImagePrefixes(self.model, self.questions, self.source, batch=self.batch)

    # -- ours ------------------------------------------------------------------------------

    def ours_by_likelihood(self) -> torch.Tensor:
        """(questions, images, classes), nats, as the fitness asks."""
        predictor = ByLikelihood(self.model, self.questions, self.classes)
        asked = self.asked()
        found: dict[tuple[int, int], torch.Tensor] = {}
        for group in self.prefixes().groups(dict(enumerate(self.names))):
            images = [self.names[row] for row in group.rows]
            for index, question in enumerate(asked):
                some = predictor.predict(images, group.prefixes, question).log_probabilities
                found |= {(index, row): one for row, one in zip(group.rows, some, strict=True)}
        return torch.stack(
            [torch.stack([found[q, i] for i in range(len(self.names))]) for q in range(len(asked))]
        )

    def ours_written(self) -> dict[tuple[int, int], list[int]]:
        """The tokens of answers by question and image."""
        asked = self.asked()
        found: dict[tuple[int, int], list[int]] = {}
        for group in self.prefixes().groups(dict(enumerate(self.names))):
            for index, question in enumerate(asked):
                some = write_answers(self.model, group.prefixes, question.tokens, self.how)
                found |= {(index, row): one for row, one in zip(group.rows, some, strict=True)}
        return found

    # -- the usual ways --------------------------------------------------------------------

    def one_name(self) -> torch.Tensor:
        """One name at a time, (questions, baseline images, classes), nats."""
        return self._each(
            lambda inputs: [one_by_one(self.model, inputs, name) for name in self.tokens]
        )

    def all_names(self) -> torch.Tensor:
        """All names of an image and a question in a batch, each row with the image."""
        return self._each(self._batch_of_names)

    def written(self) -> dict[tuple[int, int], list[int]]:
        """``generate`` with one image at a time."""
        found = {}
        for index, template in enumerate(self.templates):
            for row, name in enumerate(self.baseline):
                inputs = self.questions.inputs(read_image(self.source.file(name)), template)
                out = self.model.generate(
                    **inputs,
                    do_sample=False,
                    max_new_tokens=self.most,
                    min_new_tokens=self.most,
                    pad_token_id=0,
                )
                found[index, row] = out[0, inputs["input_ids"].shape[1] :].tolist()
        return found

    @torch.inference_mode()
    def _batch_of_names(self, inputs: dict[str, torch.Tensor]) -> list[float]:
        ids = inputs["input_ids"]
        rows, longest = len(self.tokens), max(map(len, self.tokens))
        padded = [[*name, *[0] * (longest - len(name))] for name in self.tokens]
        mask = [[*[1] * len(name), *[0] * (longest - len(name))] for name in self.tokens]
        behind = torch.tensor(padded, device=ids.device)
        logits = self.model(
            input_ids=torch.cat([ids.expand(rows, -1), behind], dim=1),
            attention_mask=torch.cat(
                [torch.ones_like(ids).expand(rows, -1), torch.tensor(mask, device=ids.device)],
                dim=1,
            ),
            pixel_values=inputs["pixel_values"].expand(rows, -1, -1, -1),
            use_cache=False,
        ).logits[:, ids.shape[1] - 1 : -1]
        each = logits.float().log_softmax(-1).gather(2, behind[..., None])[..., 0]
        sums: list[float] = (each * torch.tensor(mask, device=ids.device)).sum(-1).tolist()
        return sums

    def _each(self, work: Callable[[dict[str, torch.Tensor]], list[float]]) -> torch.Tensor:
        return torch.tensor(
            [
                [
                    work(self.questions.inputs(read_image(self.source.file(name)), template))
                    for name in self.baseline
                ]
                for template in self.templates
            ]
        )

    # -- where the time goes ---------------------------------------------------------------

    def split(self) -> dict[str, float]:
        """Seconds of our stages, one after the other."""
        batches = [
            range(start, min(start + self.batch, len(self.names)))
            for start in range(0, len(self.names), self.batch)
        ]
        tower = VisionTower(self.model)
        spent: dict[str, float] = {}

        def stage(name: str, work: Callable[[], T]) -> T:
            seconds, result = self.clock(work)
            spent[name] = spent.get(name, 0.0) + seconds
            return result

        asked = stage("questions' tokens", self.asked)
        images = stage("decoding", lambda: [read_image(self.source.file(n)) for n in self.names])
        inputs = stage("processor", lambda: [self.questions.prefix(image) for image in images])
        tries = {
            "question": build_trie([name[:1] for name in self._first_differ()]),
            "names": build_trie(self.tokens),
        }
        for rows in batches:
            seen = stage("vision tower", partial(tower.see, [inputs[i] for i in rows]))
            assert seen is not None
            read = stage("image prefix", partial(_read, self.model, seen))
            for question in asked:
                for name, trie in tries.items():
                    work = partial(class_log_likelihoods, self.model, read, question.tokens, trie)
                    stage(name, work)
        spent["names"] -= spent["question"]
        return spent

    def _first_differ(self) -> list[list[int]]:
        first = dict.fromkeys(tuple(name[:1]) for name in self.tokens)
        return [list(name) for name in first]


def _read(model: Any, seen: Sequence[Any]) -> list[Any]:
    return read_prefixes(model, joined([one.inputs for one in seen]), handed_back(seen))


def report(name: str, seconds: float, ours: float, note: str) -> float:
    """One line of the table; gives how many times as long as ours it takes."""
    ratio = seconds / ours
    goal = GOALS[name]
    verdict = "" if ratio >= goal else "  MISSED"
    print(f"  {name:32} {seconds:9.2f} s {ratio:7.1f} x (goal {goal}){verdict}  {note}")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer images: about a minute")
    parser.add_argument("--size", choices=list(TEXT), default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--images", type=int, default=80)
    parser.add_argument("--baseline-images", type=int, default=8, help="the usual ways' share")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best is taken")
    parser.add_argument("--questions", type=int, default=5, choices=range(1, 6))
    parser.add_argument("--classes", type=int, default=16, choices=range(2, 17))
    parser.add_argument("--batch", type=int, default=32, help="images read at once")
    parser.add_argument("--max-new-tokens", type=int, default=50)
    options = parser.parse_args()
    if options.quick:
        options.images, options.baseline_images = min(options.images, 32), 4
    options.baseline_images = min(options.baseline_images, options.images)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder, quiet():
        benchmark = Benchmark(options, Path(folder))
        return run(benchmark, options)


def in_turn(clock: Clock, arms: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """The best time of each arm and its result; the first round, which allocates, isn't counted."""
    best: dict[str, Any] = {}
    for turn in range(rounds + 1):
        for name, work in arms.items():
            seconds, result = clock(work)
            if turn and (name not in best or seconds < best[name][0]):
                best[name] = (seconds, result)
    return best


def run(benchmark: Benchmark, options: argparse.Namespace) -> int:
    """Time all ways and print the table."""
    clock, scale = benchmark.clock, options.images / options.baseline_images
    longest = max(map(len, benchmark.tokens))
    print(
        f"LLaVA, size {options.size}, {benchmark.model.dtype}, {benchmark.device}, torch "
        f"{torch.__version__}: {counted(options.questions, 'question')} x {options.images} images "
        f"x {options.classes} names of up to {longest} tokens; the best of "
        f"{counted(options.rounds, 'round')}"
    )
    arms = {
        "ours": benchmark.ours_by_likelihood,
        "one name at a time": benchmark.one_name,
        "all names in a batch": benchmark.all_names,
    }
    times = in_turn(clock, arms, options.rounds)
    ours, found = times.pop("ours")
    print(f"likelihood\n  {'ours':32} {ours:9.2f} s")
    figures: dict[str, Any] = {"likelihood seconds": ours, "times": {}}
    for name, (seconds, plain) in times.items():
        # As probabilities among the names, which ours are.
        away = found[:, : options.baseline_images] - plain.log_softmax(-1)
        note = f"max difference {float(away.abs().max()):.1e} nats"
        figures["times"][name] = report(name, seconds * scale, ours, note)
    name = "generate, one image at a time"
    written = {"ours": benchmark.ours_written, name: benchmark.written}
    times = in_turn(clock, written, options.rounds)
    (ours, answers), (seconds, plain_answers) = times["ours"], times[name]
    print(f"embedding (answers of {options.max_new_tokens} tokens)\n  {'ours':32} {ours:9.2f} s")
    figures["written seconds"] = ours
    same = sum(answers[key] == tokens for key, tokens in plain_answers.items())
    note = f"{same} of {len(plain_answers)} answers are the same tokens"
    figures["times"][name] = report(name, seconds * scale, ours, note)
    spent = benchmark.split()
    total = sum(spent.values())
    print("where the time goes (likelihood)")
    for stage, seconds in spent.items():
        print(f"  {stage:32} {seconds:9.3f} s {seconds / total:6.1%}")
    figures["split"] = spent
    figures |= {"size": options.size, "device": str(benchmark.device), "images": options.images}
    missed = [name for name, goal in GOALS.items() if figures["times"][name] < goal]
    print(json.dumps({**figures, "missed": missed}))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

"""Text features and scoring against the usual ways, side by side in one run.

    python benchmarks/text.py            # minutes: the shapes that the bars are set for
    python benchmarks/text.py --quick    # about a minute

The text tower has the shape of ViT-B-32 (random weights: speed doesn't depend on their values),
the class names are ImageNet's. First come names of one word in the shortest templates, since
cutting pays more the shorter texts are. Every way gets the same texts and does its own
tokenising. All times are of this process's CPU threads (--threads, default 1).

Compared are ours (engine.vlm.dual_encoder.text_features),
``open_clip.build_zero_shot_classifier`` (ten classes at once, 77 tokens), and the loop of the
reference code (class by class, 77 tokens). For scoring: ours, and a loop over images as the
reference counts accuracy.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import open_clip
import torch
from torch import Tensor, nn

from engine.prompts.template import PLACEHOLDER
from engine.vlm.dual_encoder.scoring import score_features
from engine.vlm.dual_encoder.text_features import TextFeatures

TEMPLATES = [
    "a photo of a <category>.",
    "a blurry photo of the <category>.",
    "a <category> in the wild.",
    "itap of my <category>.",
    "a close-up of a <category>.",
    "a bright photo of one <category>.",
    "a sketch of a <category>.",
    "art of the <category>.",
    "the small <category>.",
    "a <category>, outdoors.",
]

SHORT_TEMPLATES = [
    "a photo of a <category>.",
    "a <category>.",
    "itap of a <category>.",
    "art of a <category>.",
    "a sketch of a <category>.",
    "my <category>.",
    "the small <category>.",
    "a drawing of a <category>.",
    "one <category>.",
    "a toy <category>.",
]

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time, and the result.

    Processor time, summed over threads, is what the work costs also while others use the machine.
    """
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def ours(texts: TextFeatures, classes: list[str], templates: list[str]) -> Tensor:
    """(templates, classes, d), as the fitness encodes them."""
    features = []
    for template in templates:
        encoding = texts.encode(template, classes)
        while True:
            try:
                next(encoding)
            except StopIteration as end:
                features.append(end.value)
                break
    return torch.stack(features)


def zero_shot_classifier(
    model: nn.Module, tokenizer: Any, classes: list[str], templates: list[str]
) -> Tensor:
    """(classes, d): open_clip's own ensemble of all templates."""
    fill = [lambda c, t=t: t.replace(PLACEHOLDER, c) for t in templates]
    weights: Tensor = open_clip.build_zero_shot_classifier(model, tokenizer, classes, fill)
    return weights.T


@torch.no_grad()
def class_by_class(model: Any, tokenizer: Any, classes: list[str], templates: list[str]) -> Tensor:
    """(templates, classes, d), one class at a time, 77 tokens."""
    rows = []
    for name in classes:
        tokens = tokenizer([template.replace(PLACEHOLDER, name) for template in templates])
        rows.append(model.encode_text(tokens, normalize=True))
    return torch.stack(rows, dim=1)


def compare_texts(
    model: nn.Module,
    tokenizer: Any,
    texts: TextFeatures,
    classes: list[str],
    templates: list[str],
) -> None:
    count = len(templates)
    ours(texts, classes[:2], templates[:1])  # the first call allocates
    fast, features = timed(lambda: ours(texts, classes, templates))
    whole, classifier = timed(lambda: zero_shot_classifier(model, tokenizer, classes, templates))
    slow, plain = timed(lambda: class_by_class(model, tokenizer, classes, templates))
    ensemble = nn.functional.normalize(features.mean(dim=0), dim=-1)
    tokens = [int((row != 0).sum()) for t in templates for row in tokenizer(_filled(t, classes))]
    print(
        f"\n{len(classes)} classes x {count} templates, {len(tokens)} texts "
        f"of {sum(tokens) / len(tokens):.1f} tokens on average"
    )
    print(f"  ours                          {fast:8.2f} s")
    print(
        f"  build_zero_shot_classifier    {whole:8.2f} s  {whole / fast:6.2f} x  "
        f"max difference {(ensemble - classifier).abs().max():.1e}"
    )
    print(
        f"  class by class, 77 tokens     {slow:8.2f} s  {slow / fast:6.2f} x  "
        f"max difference {(features - plain).abs().max():.1e}"
    )


def _filled(template: str, classes: list[str]) -> list[str]:
    return [template.replace(PLACEHOLDER, name) for name in classes]


def compare_scoring(images: int, classes: int, templates: int) -> None:
    torch.manual_seed(0)
    image = nn.functional.normalize(torch.randn(images, 512), dim=-1)
    text = nn.functional.normalize(torch.randn(templates, classes, 512), dim=-1)
    labels = torch.arange(images) % classes

    def product() -> list[int]:
        return [score_features(image, labels, own, scale=100.0).hits for own in text]

    def loop() -> list[int]:
        hits = []
        for own in text:
            right = 0
            for row, label in zip(image, labels, strict=True):
                right += int((100.0 * row @ own.T).argmax() == label)
            hits.append(right)
        return hits

    product()
    fast, ours_hits = timed(product)
    slow, loop_hits = timed(loop)
    together, _ = timed(lambda: (image @ text.reshape(-1, 512).T * 100.0).argmax(-1))
    print(f"\nscoring {images} images, {classes} classes, {templates} templates (features cached)")
    print(f"  ours, a product per template  {fast * 1e3:8.1f} ms (accuracy, margin, class hits)")
    print(f"  one product for all, no score {together * 1e3:8.1f} ms")
    print(f"  loop over images              {slow * 1e3:8.1f} ms {slow / fast:6.1f} x")
    print(f"  same hits: {ours_hits == loop_hits}")


def main() -> None:
    parser = argparse.ArgumentParser(description="text features and scoring, ours and others'")
    parser.add_argument("--quick", action="store_true", help="fewer classes: about a minute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32").eval()
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    texts = TextFeatures(model, tokenizer, torch.device("cpu"), batch=2048)
    names = list(open_clip.IMAGENET_CLASSNAMES)
    print(
        f"ViT-B-32 text tower, float32, CPU, {options.threads} thread(s), torch {torch.__version__}"
    )
    many, few = (100, 30) if options.quick else (1000, 100)
    one_word = [name for name in names if name.isalpha()]
    count = 4 if options.quick else 10
    compare_texts(model, tokenizer, texts, one_word[:few], SHORT_TEMPLATES[:count])
    compare_texts(model, tokenizer, texts, names[:: 1000 // few][:few], TEMPLATES[:count])
    compare_texts(model, tokenizer, texts, names[:: 1000 // many][:many], TEMPLATES[:1])
    compare_scoring(1000 if options.quick else 5000, 100, 10)
    compare_scoring(100, 100, 10)


if __name__ == "__main__":
    main()

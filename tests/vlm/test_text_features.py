"""Cutting text batches changes nothing; towers that look at padding are left alone."""

from __future__ import annotations

import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import ModelError
from engine.config import VLMConfig
from engine.vlm.dual_encoder.model import load_open_clip
from engine.vlm.dual_encoder.text_features import TextFeatures, _batch_end
from tests.support.generators import run_through
from tests.support.small_models import CAUSAL, UNCUT, VISION

CLASSES = ["cat", "dog", "small red boat", "pet", "cat", "a dog, a type of pet with a boat"]
TEMPLATES = [
    "<category>",
    "a photo of the <category>.",
    "a small picture of one <category>, a type of pet, with two <category> in the red boat.",
    " ".join(["a photo of <category> ,"] * 30),  # longer than the context
]


def load(folder, **options):
    options = {"device": "cpu", "precision": "fp32", **options}
    return load_open_clip(VLMConfig(model=str(folder), **options), print)


def full_length(loaded, template):
    texts = [template.replace("<category>", name) for name in CLASSES]
    with torch.no_grad():
        features = loaded.model.encode_text(loaded.tokenizer(texts), normalize=False)
    return torch.nn.functional.normalize(features.float(), dim=-1)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("double", [False, True])
def test_causal_towers_are_cut_and_exact(model_folder, name, double):
    loaded = load(model_folder(name))
    if double:
        loaded.model.double()
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    assert texts.cut
    for template in TEMPLATES:
        _, features = run_through(texts.encode(template, CLASSES))
        worst = (features - full_length(loaded, template)).abs().max().item()
        assert worst < 1e-5, (name, template)
        assert features.dtype == torch.float32


@pytest.mark.parametrize("name", UNCUT)
def test_other_towers_run_at_full_length(model_folder, name):
    loaded = load(model_folder(name))
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    assert not texts.cut
    for template in TEMPLATES:
        _, features = run_through(texts.encode(template, CLASSES))
        assert (features - full_length(loaded, template)).abs().max() < 1e-5


def test_padding_matters_to_the_uncut_towers(model_folder):
    """The reason to leave them alone: at the texts' own length they give something else."""
    loaded = load(model_folder("bidirectional"))
    tokens = loaded.tokenizer(["a photo of the cat."])
    with torch.no_grad():
        full = loaded.model.encode_text(tokens, normalize=True)
        cut = loaded.model.encode_text(tokens[:, :8], normalize=True)
    assert (full - cut).abs().max() > 1e-2


def test_a_tower_that_only_looks_causal_is_caught_on_the_probe(model_folder):
    loaded = load(model_folder("custom"))

    def reads_the_end(module, arguments, output):
        return output + arguments[0].shape[1]  # (texts, width) moves with the length

    loaded.model.text.ln_final.register_forward_hook(reads_the_end)
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    assert not texts.cut
    _, features = run_through(texts.encode(TEMPLATES[1], CLASSES))
    assert (features - full_length(loaded, TEMPLATES[1])).abs().max() < 1e-5


def test_cutting_saves_most_of_the_work(model_folder):
    loaded = load(model_folder("custom"))
    lengths = []
    loaded.model.text.ln_final.register_forward_hook(
        lambda module, arguments, output: lengths.append(output.shape[1])
    )
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    lengths.clear()
    run_through(texts.encode("a photo of the <category>.", ["cat", "dog"]))
    assert lengths == [8]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_low_precision_is_cut_too(model_folder, precision):
    loaded = load(model_folder("clip"), precision=precision)
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    assert texts.cut
    _, features = run_through(texts.encode(TEMPLATES[1], CLASSES))
    assert (features - full_length(loaded, TEMPLATES[1])).abs().max() < 2e-2
    assert torch.allclose(features.norm(dim=-1), torch.ones(len(CLASSES)), atol=1e-5)


def test_equal_texts_get_equal_features_and_one_encoding(model_folder):
    loaded = load(model_folder("clip"))
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    rows = []
    loaded.model.ln_final.register_forward_hook(
        lambda module, arguments, output: rows.append(len(output))
    )
    steps, features = run_through(texts.encode("the <category>", ["cat", "dog", "cat"]))
    assert sum(rows) == 2
    assert torch.equal(features[0], features[2])
    assert steps[-1] == 3


def test_class_names_are_put_in_literally(model_folder):
    loaded = load(model_folder("clip"))
    asked = []

    def tokenizer(texts):
        asked.extend(texts)
        return loaded.tokenizer(texts)

    texts = TextFeatures(loaded.model, tokenizer, loaded.device, batch=2048)
    asked.clear()
    strange = ["{x}", r"\g<0>", "<category>"]
    run_through(texts.encode(r"{} %s \1 <category> {0} <category>", strange))
    assert asked == [
        r"{} %s \1 {x} {0} {x}",
        r"{} %s \1 \g<0> {0} \g<0>",
        r"{} %s \1 <category> {0} <category>",
    ]


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_batches_of_any_size_give_the_same(model_folder, batch):
    loaded = load(model_folder("clip"))
    names = [f"{'small ' * (i % 4)}cat number {i}" for i in range(40)]
    small = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=batch)
    large = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=4096)
    steps, features = run_through(small.encode(TEMPLATES[1], names))
    assert (features - run_through(large.encode(TEMPLATES[1], names))[1]).abs().max() < 1e-5
    assert steps == sorted(steps)
    assert steps[-1] == 40
    assert len(steps) >= 40 / batch


@given(st.lists(st.integers(1, 77), min_size=1, max_size=300).map(sorted), st.integers(1, 300))
def test_batches_cover_all_texts_and_keep_the_limit(lengths, batch):
    start = 0
    while start < len(lengths):
        stop = _batch_end(start, lengths, batch)
        assert start < stop <= start + batch
        assert stop - start == 1 or (stop - start) * lengths[stop - 1] <= batch * 16
        start = stop


def test_out_of_memory_halves_the_batch(model_folder):
    loaded = load(model_folder("clip"))
    said = []
    texts = TextFeatures(
        loaded.model, loaded.tokenizer, loaded.device, batch=2048, report=said.append
    )
    names = [f"cat {'a ' * (i % 3)}{i}" for i in range(10)]
    expected = run_through(texts.encode("the <category>", names))[1]

    def small_memory(module, arguments):
        if arguments[0].shape[0] > 3:
            raise torch.OutOfMemoryError

    loaded.model.transformer.register_forward_pre_hook(small_memory)
    features = run_through(texts.encode("the <category>", names))[1]
    assert (features - expected).abs().max() < 1e-5
    assert said == [
        "out of memory on cpu: text batches of 5 from now on",
        "out of memory on cpu: text batches of 2 from now on",
    ]

    def no_memory(module, arguments):
        raise torch.OutOfMemoryError

    loaded.model.transformer.register_forward_pre_hook(no_memory)
    with pytest.raises(ModelError, match="more memory than cpu has for a single text"):
        run_through(texts.encode("the <category>", names))


def test_features_that_are_not_numbers_name_template_and_class(model_folder):
    loaded = load(model_folder("clip"))
    texts = TextFeatures(loaded.model, loaded.tokenizer, loaded.device, batch=2048)
    end = loaded.tokenizer(["dog"])[0, 1]
    with torch.no_grad():
        loaded.model.token_embedding.weight[end] = torch.nan
    with pytest.raises(ModelError, match=r"'the <category>' with the class 'dog'.*fp32"):
        run_through(texts.encode("the <category>", ["cat", "dog"]))


def test_every_built_in_text_tower_is_judged_rightly():
    """All of open_clip's own text towers, shrunk: cut if and only if causal, and then exact."""
    seen = {True: 0, False: 0}
    kinds = set()
    for name in open_clip.list_models():
        cfg = open_clip.get_model_config(name)
        text = {**cfg["text_cfg"], "layers": 1, "width": 16, "heads": 2, "vocab_size": 64}
        if "hf_model_name" in text:
            continue
        custom = bool(cfg.get("custom_text"))
        kind = (
            custom,
            "multimodal_cfg" in cfg,
            tuple(sorted((k, str(v)) for k, v in text.items())),
        )
        if kind in kinds:
            continue
        kinds.add(kind)
        text.pop("hf_tokenizer_name", None)
        if "multimodal_cfg" in cfg:
            text["output_tokens"] = False
        make = open_clip.CustomTextCLIP if custom else open_clip.CLIP
        model = make(embed_dim=16, vision_cfg=VISION, text_cfg=text).eval()
        context, end_token = text.get("context_length", 77), text.get("eos_id", 2)
        names_end = text.get("pool_type") == "eos"

        def tokenizer(texts, context=context, end=end_token, names_end=names_end):
            tokens = torch.zeros(len(texts), context, dtype=torch.int64)
            for row, line in enumerate(texts):
                ids = [4 + ord(letter) % 50 for letter in line][: context - 1]
                # Both kinds of end: the highest number, and the number that eos_id names.
                tokens[row, : len(ids) + 1] = torch.tensor([*ids, 63])
                if names_end:
                    tokens[row, len(ids)] = end
            return tokens

        texts = TextFeatures(model, tokenizer, torch.device("cpu"), batch=64)
        expected = not (
            text.get("no_causal_mask") or text.get("embed_cls") or text.get("pool_type") == "last"
        )
        assert texts.cut == expected, name
        seen[expected] += 1
        _, features = run_through(texts.encode("a <category>", CLASSES))
        with torch.no_grad():
            full = model.encode_text(tokenizer([f"a {name}" for name in CLASSES]), normalize=True)
        assert (features - full).abs().max() < 1e-5, name
    assert seen[True] >= 5
    assert seen[False] >= 3

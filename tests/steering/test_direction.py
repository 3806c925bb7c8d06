from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from engine.steering.direction import Direction, compute_direction
from engine.steering.layers import find_decoder_layers, layer_outputs
from tests.support.tiny_llm import tiny_model, tiny_tokenizer

POSITIVE, NEGATIVE = "a photo of a <category>.", "a sketch, <category>"
END_OF_TURN = 5


def direction(pool, positive=POSITIVE, negative=NEGATIVE, family="llama-gqa-tied", **tokenizer):
    model = tiny_model(family)
    return compute_direction(
        model,
        tiny_tokenizer(**tokenizer),
        find_decoder_layers(model),
        positive,
        negative,
        pool,
        END_OF_TURN,
    )


@torch.inference_mode()
def states(ids: list[int]) -> torch.Tensor:
    """Outputs of layers 0 to 3, (4, S, d), with no hook: the last one from layer 3 itself."""
    model = tiny_model("llama-gqa-tied")
    hidden = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    positions = torch.arange(len(ids))[None]
    last = model.model.layers[3](
        hidden[3],
        position_embeddings=model.model.rotary_emb(hidden[3], positions),
        position_ids=positions,
    )
    torch.testing.assert_close(model.model.norm(last), hidden[4], atol=1e-5, rtol=0)
    return torch.cat([*hidden[1:4], last])


def byte_ids(text: str, bos: bool = True) -> list[int]:
    ids: list[int] = tiny_tokenizer(bos=bos)(text)["input_ids"]
    assert (ids[0] == 0) == bos
    return ids


def slow_offsets(positive: list[int], negative: list[int], first: int) -> torch.Tensor:
    """Mean by mean, token by token."""
    rows = []
    for layer in range(4):
        means = []
        for hidden in (states(positive), states(negative)):
            total = torch.zeros(32)
            for position in range(first, hidden.shape[1]):
                total += hidden[layer, position]
            means.append(total / (hidden.shape[1] - first))
        rows.append(means[0] - means[1])
    return torch.stack(rows)


def test_no_bos_leaves_out_the_bos_only():
    expected = slow_offsets(byte_ids(POSITIVE), byte_ids(NEGATIVE), first=1)
    torch.testing.assert_close(direction("no-bos").offsets, expected, atol=1e-5, rtol=0)


def test_no_bos_reads_the_texts_behind_a_bos_where_the_tokenizer_adds_none():
    expected = slow_offsets(byte_ids(POSITIVE), byte_ids(NEGATIVE), first=1)
    ours = direction("no-bos", bos=False)
    torch.testing.assert_close(ours.offsets, expected, atol=1e-5, rtol=0)
    assert ours.front == "<s>" and direction("no-bos").front is None


def test_paper_is_equation_3():
    expected = slow_offsets(byte_ids(POSITIVE), byte_ids(NEGATIVE), first=0)
    torch.testing.assert_close(direction("paper").offsets, expected, atol=1e-5, rtol=0)


def test_reference_pads_the_shorter_text_with_end_of_turn_tokens():
    positive, negative = byte_ids(POSITIVE), byte_ids(NEGATIVE)
    padded = negative + [END_OF_TURN] * (len(positive) - len(negative))
    assert len(padded) == len(positive) > len(negative)
    ours = direction("reference").offsets
    torch.testing.assert_close(ours, slow_offsets(positive, padded, 0), atol=1e-5, rtol=0)
    swapped = direction("reference", NEGATIVE, POSITIVE).offsets
    torch.testing.assert_close(swapped, -ours, atol=1e-5, rtol=0)


def test_bos_leaves_an_offset_in_paper_pooling_only_where_the_lengths_differ():
    """ANCHORS: the BOS state times (1/S+ - 1/S-) stays in literal equation 3."""
    longer, shorter = byte_ids(POSITIVE), byte_ids(NEGATIVE)
    bos = states(longer)[:, 0]
    no_bos = [states(ids)[:, 1:].sum(1) / len(ids) for ids in (longer, shorter)]
    rest = no_bos[0] - no_bos[1]
    leaked = bos * (1 / len(longer) - 1 / len(shorter))
    torch.testing.assert_close(direction("paper").offsets, rest + leaked, atol=1e-5, rtol=0)


def test_norms_and_ratios():
    result = direction("no-bos")
    hidden = torch.cat([states(byte_ids(t))[:, 1:] for t in (POSITIVE, NEGATIVE)], dim=1)
    norms = hidden.norm(dim=-1).mean(1)
    torch.testing.assert_close(torch.tensor(result.hidden_norms), norms, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.tensor(result.norms), result.offsets.norm(dim=-1))
    torch.testing.assert_close(torch.tensor(result.ratios), result.offsets.norm(dim=-1) / norms)
    assert result.layers == len(result.norms) == 4
    assert result.offsets.dtype == torch.float32
    assert result.offsets.device.type == "cpu"


def test_cosines():
    result, back = direction("no-bos"), direction("no-bos", NEGATIVE, POSITIVE)
    assert result.cosines(result) == pytest.approx([1.0] * 4, abs=1e-6)
    assert result.cosines(back) == pytest.approx([-1.0] * 4, abs=1e-6)
    below = torch.nn.functional.cosine_similarity(result.offsets[1:], result.offsets[:-1])
    assert result.neighbour_cosines() == pytest.approx([0.0, *below.tolist()], abs=1e-6)
    states = (torch.zeros(2, 3, 32),) * 2
    zeros = torch.zeros(2, 32)
    numbers = dict.fromkeys(("norms", "hidden_norms", "ratios", "sink_shares"), (0.0,) * 2)
    rest = {"states": states, "start": 1, "front": None, "peaks": ()}
    other = Direction("", "", "paper", zeros, **numbers, **rest)
    with pytest.raises(ValueError, match="shapes differ"):
        result.cosines(other)


def test_equal_texts_give_zero():
    result = direction("no-bos", POSITIVE, POSITIVE)
    assert result.norms == result.ratios == (0.0,) * 4
    assert result.cosines(direction("no-bos")) == (0.0,) * 4


def test_a_text_without_tokens_is_refused():
    with pytest.raises(ValueError, match="no token"):
        direction("no-bos", POSITIVE, "")


def test_offsets_can_be_used_outside_inference_mode():
    offsets = direction("no-bos").offsets
    assert not offsets.is_inference()


def test_hooks_are_taken_off_also_when_the_model_fails():
    model = tiny_model("llama")
    layers = find_decoder_layers(model)
    with pytest.raises(IndexError):
        layer_outputs(model, layers, [10_000])
    assert not any(layer._forward_hooks for layer in layers)


def test_families_whose_layers_return_other_things():
    assert direction("no-bos", family="gpt2").layers == 4
    assert direction("no-bos", family="bloom").layers == 4


def test_direction_imports_without_torch():
    code = "import sys, engine.steering.direction; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_last_takes_the_last_token_of_each_text():
    hidden = [states(byte_ids(text))[:, -1] for text in (POSITIVE, NEGATIVE)]
    expected = hidden[0] - hidden[1]
    torch.testing.assert_close(direction("last").offsets, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pool", ["no-bos", "paper", "last"])
def test_aligned_texts_are_padded_with_spaces_and_the_means_stay(pool):
    model = tiny_model("llama-gqa-tied")
    layers = find_decoder_layers(model)
    texts = (POSITIVE, NEGATIVE)
    plain = compute_direction(model, tiny_tokenizer(), layers, *texts, pool)
    aligned = compute_direction(model, tiny_tokenizer(), layers, *texts, pool, aligned=True)
    torch.testing.assert_close(aligned.offsets, plain.offsets, atol=1e-5, rtol=0)
    longest = len(byte_ids(POSITIVE))
    padded = byte_ids(NEGATIVE + " " * (longest - len(byte_ids(NEGATIVE))))
    assert aligned.states[0].shape == aligned.states[1].shape == (4, longest, 32)
    torch.testing.assert_close(aligned.states[1], states(padded), atol=1e-5, rtol=0)
    assert aligned.start == 1


class NoSpace:
    """A tokenizer that has no token for a space by itself."""

    def __init__(self) -> None:
        self._inner = tiny_tokenizer()

    def __call__(self, text: str, **options):
        return {"input_ids": []} if text == " " else self._inner(text, **options)

    def __getattr__(self, name: str):
        return getattr(self._inner, name)


def test_texts_of_equal_length_need_no_space_to_be_padded_with() -> None:
    model = tiny_model("llama-gqa-tied")
    layers = find_decoder_layers(model)
    equal = ("a photo of a <category>.", "a photo of a <category>!")
    found = compute_direction(model, NoSpace(), layers, *equal, "no-bos", aligned=True)
    assert found.states[0].shape == found.states[1].shape
    with pytest.raises(ValueError, match="no token for a space"):
        compute_direction(model, NoSpace(), layers, POSITIVE, NEGATIVE, "no-bos", aligned=True)

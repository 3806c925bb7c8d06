"""The packed training batches equal what the model does when it is used, steered or not."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.demo.training import train_llm
from engine.demo.training.dialogues import make_dialogue
from engine.demo.training.llm_batches import make_batch
from engine.demo.training.llm_tokenizer import build_tokenizer

LAYER = 2


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return train_llm.build_model(tokenizer).eval()


@torch.no_grad()
def test_packed_replies_equal_replies_read_alone_and_steering_equals_rereading(
    tokenizer, model
) -> None:
    rng = random.Random(3)
    dialogues = [d for d in (make_dialogue(rng, 2) for _ in range(2)) if d.anchors]
    assert dialogues
    batch = make_batch(tokenizer, dialogues, steered=1)
    batch = replace(batch, mask=batch.mask.float())
    offset = torch.randn(train_llm.HIDDEN)
    offsets = offset * batch.steered[..., None]
    _, packed = train_llm.forward(model, batch, LAYER, offsets)

    def last_state_steered(ids: list[int]) -> torch.Tensor:
        def add(module, args, output):
            return torch.cat((output[:, :-1], output[:, -1:] + offset), dim=1)

        handle = model.model.layers[LAYER].register_forward_hook(add)
        states = model.model(input_ids=torch.tensor([ids])).last_hidden_state
        handle.remove()
        return states[0, -1]

    for row, dialogue in enumerate(dialogues):
        prompt = tokenizer.apply_chat_template(
            list(dialogue.messages), add_generation_prompt=True, return_dict=False
        )
        start = 0
        for text, steered in ((t, s) for s in (False, True) for t in dialogue.replies[: 2 - s]):
            reply = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids = prompt + reply
            states = packed[row, start : start + len(reply) + 1]
            start += len(reply) + 1
            if steered:
                alone = [last_state_steered(ids[:n]) for n in range(len(prompt), len(ids) + 1)]
                expected = torch.stack(alone)
            else:
                read = model.model(input_ids=torch.tensor([ids]))
                expected = read.last_hidden_state[0, len(prompt) - 1 :]
            torch.testing.assert_close(states, expected, atol=1e-4, rtol=0)


def test_training_writes_a_model_folder_that_loads_without_our_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_llm, "BATCH", 2)
    monkeypatch.setattr(train_llm, "_POOL", 2)
    threads = torch.get_num_threads()
    try:
        train_llm.main(tmp_path, repeats=2, steps=2)
    finally:
        torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.dtype == torch.float16
    assert tokenizer.decode(tokenizer("a photo of a <category>.")["input_ids"][1:]) == (
        "a photo of a <category>."
    )

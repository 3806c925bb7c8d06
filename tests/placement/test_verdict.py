"""Whether models fit, and what would make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from engine.common.errors import ModelError
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.models.device import Room
from engine.placement.needs import Needs
from engine.placement.verdict import Verdict, judge

GIB = 2**30
BYTES = {"float32": 4, "auto": 4, "bfloat16": 2, "float16": 2}


def models(billions: float, work: float = 0.0, vlm: float = 0.5) -> Any:
    """A way to count an LLM of so many weights beside a VLM of some GiB."""

    def count(config: RunConfig) -> Sequence[Needs]:
        gpus = ("cuda:0", "cuda:1") if config.llm.device_map else None
        rows = config.proposal.candidates
        each = {"none": BYTES[config.llm.dtype], "8bit": 1, "4bit": 0.5}[config.llm.quantization]
        size = int(billions * each * GIB)
        on_top = {"keys and values": int(work * rows * GIB)}
        return (
            Needs("VLM", "vlm", "clip", (config.vlm.device,), int(vlm * GIB), "headers"),
            Needs("LLM", "llm", "llama", gpus or (config.llm.device,), size, "headers", on_top),
        )

    return count


def verdict(
    count: Any, rooms: Mapping[str, tuple[float, float]], *overrides: str
) -> Verdict | None:
    config = load_config("demo", ["llm.device=cuda:0", "vlm.device=cuda:0", *overrides])
    sizes = {name: Room(int(free * GIB), int(total * GIB)) for name, (free, total) in rooms.items()}
    return judge(config, count(config), sizes, count)


HOST = (50.0, 64.0)


def test_what_fits_is_not_spoken_of() -> None:
    assert verdict(models(4), {"cpu": HOST, "cuda:0": (20, 24)}) is None


def test_weights_that_fit_no_way_are_refused_with_the_least_change_that_helps() -> None:
    found = verdict(models(8), {"cpu": HOST, "cuda:0": (24, 24)})
    assert found is not None and found.is_certain
    assert found.text == (
        "the weights alone take about 32.5 GiB, and cuda:0 has 24.0 GiB in all (LLM llama 32.0 GiB "
        'and VLM clip 0.5 GiB). With llm.dtype = "bfloat16" there is room'
    )


def test_another_gpu_comes_before_another_type() -> None:
    rooms = {"cpu": HOST, "cuda:0": (24, 24), "cuda:1": (40, 40)}
    found = verdict(models(8), rooms)
    assert found is not None and 'With llm.device = "cuda:1" there is room' in found.text
    rooms["cuda:1"] = (24, 24)  # neither holds it, both do
    found = verdict(models(8), rooms)
    assert found is not None and 'With llm.device_map = "auto" there is room' in found.text


def test_both_models_on_one_device_count_together() -> None:
    rooms = {"cpu": HOST, "cuda:0": (24, 24), "cuda:1": (24, 24)}
    assert verdict(models(5, vlm=4.5), rooms) is not None
    assert verdict(models(5, vlm=4.5), rooms, "vlm.device=cuda:1") is None


def test_fewer_bits_come_after_16_and_as_few_as_are_needed() -> None:
    rooms = {"cpu": HOST, "cuda:0": (24, 24)}
    found = verdict(models(14), rooms)
    assert found is not None and 'With llm.quantization = "8bit" there is room' in found.text
    found = verdict(models(40), rooms)
    assert found is not None and 'With llm.quantization = "4bit" there is room' in found.text


def test_where_nothing_helps_it_is_said() -> None:
    found = verdict(models(100), {"cpu": HOST, "cuda:0": (24, 24)})
    assert found is not None and found.is_certain
    assert found.text.endswith(
        "Choose a smaller llm.model or vlm.model, or a machine with more memory"
    )


def test_memory_that_others_use_or_work_that_can_shrink_is_only_warned_of() -> None:
    found = verdict(models(2), {"cpu": HOST, "cuda:0": (6, 24)})
    assert found is not None and not found.is_certain
    assert "cuda:0 has 6.0 GiB free, and up to about 8.5 GiB are needed" in found.text
    found = verdict(models(2, work=2), {"cpu": HOST, "cuda:0": (24, 24)}, "llm.dtype=bfloat16")
    assert found is None or not found.is_certain
    found = verdict(models(2, work=2), {"cpu": HOST, "cuda:0": (20, 24)}, "llm.dtype=bfloat16")
    assert found is not None and "With proposal.candidates = 5 there is room" in found.text


def test_what_is_spread_over_gpus_may_also_take_the_host() -> None:
    rooms = {"cpu": HOST, "cuda:0": (24, 24), "cuda:1": (24, 24)}
    found = verdict(models(20), rooms, "llm.device_map=auto")  # 80 GiB of 48, and 64 of the host
    assert found is not None and not found.is_certain
    found = verdict(models(40), rooms, "llm.device_map=auto")
    assert found is not None and found.is_certain and "and the host's memory" in found.text


def test_sizes_that_are_not_known_refuse_nothing() -> None:
    def count(_: RunConfig) -> Sequence[Needs]:
        return (Needs("LLM", "llm", "llama", (), None, "not known: no network"),)

    assert verdict(count, {"cpu": HOST}) is None


def clip(images: float, texts: float) -> Any:
    """A way to count a dual encoder whose images and texts take so many GiB each, beside an LLM."""

    def count(config: RunConfig) -> Sequence[Needs]:
        at_once = max(config.vlm.image_batch * images, config.vlm.text_batch * texts)
        on_top = {"activations": int(at_once * GIB)}
        vlm = Needs("VLM", "vlm", "clip", (config.vlm.device,), GIB, "headers", on_top)
        return (vlm, Needs("LLM", "llm", "llama", (config.llm.device,), GIB, "headers"))

    return count


@pytest.mark.parametrize(
    ("images", "texts", "said"),
    [
        (1, 0, "vlm.image_batch = 16"),
        (0, 1, "vlm.text_batch = 16"),
        (1, 0.1, "vlm.image_batch = 16 and vlm.text_batch = 128"),
    ],
)
def test_as_many_images_and_texts_at_once_as_there_is_room_for(
    images: float, texts: float, said: str
) -> None:
    found = verdict(clip(images, texts), {"cpu": HOST, "cuda:0": (18.5, 24)})
    assert found is not None and found.text.endswith(f"With {said} there is room")


def test_replies_are_halved_until_there_is_room() -> None:
    rooms = {"cpu": HOST, "cuda:0": (10, 24)}
    found = verdict(models(2, work=3), rooms, "llm.dtype=bfloat16", "proposal.candidates=16")
    assert found is not None and "With proposal.candidates = 1 there is room" in found.text
    few = ("llm.dtype=bfloat16", "proposal.candidates=16", "proposal.min_new=4")
    found = verdict(models(2, work=3), rooms, *few)  # no fewer than a step must yield
    assert found is not None and "proposal.candidates" not in found.text


def test_what_can_not_be_loaded_so_is_not_suggested() -> None:
    usual = models(14)

    def count(config: RunConfig) -> Sequence[Needs]:
        if config.llm.quantization == "8bit":
            raise ModelError("it comes quantised already")
        return usual(config)  # type: ignore[no-any-return]

    found = verdict(count, {"cpu": HOST, "cuda:0": (24, 24)})
    assert found is not None and 'With llm.quantization = "4bit" there is room' in found.text


def test_a_gguf_file_is_not_to_be_had_in_fewer_bits() -> None:
    rooms = {"cpu": (10.0, 16.0), "cuda:0": (24, 24)}
    found = verdict(models(14), rooms, "llm.model=org/name/some.gguf")
    assert found is not None and "quantization" not in found.text

"""Whether models fit where a configuration puts them, and what to change where they do not.

It is certain only where weights alone take more than a device has in all: then nothing is loaded.
What comes on top is made smaller where memory runs out, and memory that others use may come free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from engine.common.errors import ModelError
from engine.common.wording import listed
from engine.config import RunConfig, names_gguf
from engine.config.toml_file import with_value
from engine.models.device import Room
from engine.placement.needs import Needs

GIB = 2**30
Count = Callable[[RunConfig], Sequence[Needs]]
"""Estimates another configuration."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """That models will not fit, or may not; ``text`` is a sentence with what to change."""

    text: str
    is_certain: bool


def judge(
    config: RunConfig, needs: Sequence[Needs], rooms: Mapping[str, Room], count: Count
) -> Verdict | None:
    """What stands against loading these models; None if nothing is known to.

    Args:
        needs: of all models of ``config``.
        rooms: memory of the devices of this machine, at least of those in ``needs``.
        count: for the suggestion.
    """
    for is_certain in (True, False):
        full = next(iter(_too_full(needs, rooms, is_certain)), None)
        if full is not None:
            there = _taken(full, needs, is_certain)
            text = _sentence(full, there, rooms, is_certain)
            mend = _mend(config, there, rooms, count, is_certain)
            return Verdict(f"{text}. {mend}", is_certain)
    return None


def gib(size: float) -> str:
    """A size in words."""
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / 2**20:.1f} MiB"


def _too_full(
    needs: Sequence[Needs], rooms: Mapping[str, Room], is_certain: bool
) -> Iterator[tuple[str, ...]]:
    """Devices, or groups of them that a model is spread over, with more on them than they have."""
    for group in dict.fromkeys(one.devices for one in needs if one.devices):
        taken = sum(_size(one, is_certain) for one in _taken(group, needs, is_certain))
        if taken > _room(group, rooms, is_certain):
            yield group


def _room(group: Sequence[str], rooms: Mapping[str, Room], is_certain: bool) -> int:
    """A model that is spread over GPUs also takes the host's memory, slowly: no certain failure."""
    names = {*group, "cpu"} if is_certain and len(group) > 1 else set(group)
    return sum(rooms[name].total if is_certain else rooms[name].free for name in names)


def _taken(group: Sequence[str], needs: Sequence[Needs], is_certain: bool) -> list[Needs]:
    """The models that are nowhere else, the largest first."""
    there = [one for one in needs if one.devices and set(one.devices) <= set(group)]
    return sorted(there, key=lambda one: -_size(one, is_certain))


def _size(one: Needs, is_certain: bool) -> int:
    return one.weights or 0 if is_certain else one.total


def _sentence(
    group: tuple[str, ...], there: Sequence[Needs], rooms: Mapping[str, Room], is_certain: bool
) -> str:
    each = [f"{one.what} {one.model} {gib(_size(one, is_certain))}" for one in there]
    total = gib(sum(_size(one, is_certain) for one in there))
    where, has = listed(group), "have" if len(group) > 1 else "has"
    if is_certain:
        size = gib(_room(group, rooms, True))
        where += " and the host's memory" if len(group) > 1 else ""
        return (
            f"the weights alone take about {total}, and {where} {has} {size} in all "
            f"({listed(each)})"
        )
    size = gib(_room(group, rooms, False))
    return (
        f"memory may run out: {where} {has} {size} free, and up to about {total} are needed "
        f"({listed(each)})"
    )


def _mend(
    config: RunConfig,
    there: Sequence[Needs],
    rooms: Mapping[str, Room],
    count: Count,
    is_certain: bool,
) -> str:
    for change in _changes(config, there, rooms, is_certain):
        changed = config
        for key, value in change.items():
            changed = with_value(changed, key, value, key)
        try:
            needs = count(changed)
        except (
            ModelError
        ):  # it can't be loaded so: it comes in few bits already, or lacks a package
            continue
        if any(one.weights is None for one in needs if one.what in [o.what for o in there]):
            continue
        if next(iter(_too_full(needs, rooms, is_certain)), None) is None:
            said = listed([f"{key} = {_as_toml(value)}" for key, value in change.items()])
            return f"With {said} there is room"
    smaller = " or ".join(dict.fromkeys(f"{one.key}.model" for one in there))
    return f"Choose a smaller {smaller}, or a machine with more memory"


def _changes(
    config: RunConfig, there: Sequence[Needs], rooms: Mapping[str, Room], is_certain: bool
) -> Iterator[dict[str, object]]:
    """Values of other keys, those that change the results least first."""
    keys = [one.key for one in there]
    llm, vlm = "llm" in keys, "vlm" in keys
    gpus = [name for name in rooms if name.startswith("cuda")]
    used = {name for one in there for name in one.devices}
    if not is_certain:  # asked for less at once, the same is done
        if vlm:
            yield from _smaller_batches(config)
        if vlm and config.vlm.kind == "encoder-decoder" and config.vlm.prefix_gib != "auto":
            yield {"vlm.prefix_gib": "auto"}
    for key in dict.fromkeys(keys):
        for name in gpus:
            if name not in used:
                yield {f"{key}.device": name}
    if llm and len(gpus) > 1 and config.llm.device_map is None:
        yield {"llm.device_map": "auto"}
    small: tuple[dict[str, object], ...] = (
        *(({"llm.dtype": "bfloat16"},) if llm and config.llm.dtype != "bfloat16" else ()),
        *(({"vlm.precision": "bf16"},) if vlm and config.vlm.precision != "bf16" else ()),
    )
    yield from small
    if len(small) > 1:
        yield {**small[0], **small[1]}
    if all(name.startswith("cuda") for name in used):
        several = [key for key in ("llm", "vlm") if key in keys and _can_be_quantized(config, key)]
        for bits in ("8bit", "4bit"):
            for key in several:
                yield {f"{key}.quantization": bits}
    if not is_certain and llm:
        for candidates in _halves(config.proposal.candidates, max(1, config.proposal.min_new)):
            yield {"proposal.candidates": candidates}
    if llm and "cpu" not in used:  # slow
        yield {"llm.device": "cpu"}


def _smaller_batches(config: RunConfig) -> Iterator[dict[str, object]]:
    """Of images, else of texts, else of both: whichever takes most."""
    images = list(_halves(config.vlm.image_batch, 1))
    texts = list(_halves(config.vlm.text_batch, 16))
    for batch in images:
        yield {"vlm.image_batch": batch}
    if config.vlm.kind != "dual-encoder":
        return
    for batch in texts:
        yield {"vlm.text_batch": batch}
    for image_batch, text_batch in zip_longest(images, texts):
        both = {"vlm.image_batch": image_batch, "vlm.text_batch": text_batch}
        yield {key: batch for key, batch in both.items() if batch is not None}


def _halves(number: int, least: int) -> Iterator[int]:
    while number // 2 >= least:
        number //= 2
        yield number


def _can_be_quantized(config: RunConfig, key: str) -> bool:
    if key == "llm":
        return config.llm.quantization == "none" and not names_gguf(config.llm.model)
    return config.vlm.kind == "encoder-decoder" and config.vlm.quantization == "none"


def _as_toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)

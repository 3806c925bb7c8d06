"""The families of VLMs by ``vlm.kind``: their tasks and loaders. Importing this loads no model.

Where a way to answer (``vlm.answer``) wants templates of another kind, it has a task of its own.
A family also says which keys of a configuration it does not use, and what others take to be used.

A family's task is read before any heavy library is loaded: by ``glov config``, before the first
paint. So its module imports neither torch nor a model's library.
"""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import NamedTuple, get_args

from engine.common.errors import ConfigError
from engine.common.names import quoted
from engine.common.wording import listed
from engine.config import RunConfig, VLMConfig
from engine.config.schema import Answer
from engine.vlm.task import Task

Needs = Mapping[str, tuple[str | bool, ...]]
"""Values of other keys, each of which must have one of them."""


class Family(NamedTuple):
    """Where a family is, as ``module:name``: imported when it is asked for."""

    task: str  # a Task
    loader: str  # a FamilyLoader, see engine.vlm.loading
    answers: Mapping[str, str] = {}  # the Tasks of values of vlm.answer that have their own
    unused: tuple[str, ...] = ()  # keys that make no difference to it
    needs: Mapping[str, tuple[Needs, ...]] = {}  # one of these must hold for a key to make one


_NOT_WRITTEN = ("likelihood", "choice")
"""Ways to answer that need no written answer, or only by another key."""
_WITH_ANSWERS: Mapping[str, tuple[Needs, ...]] = {
    "data.options": ({"vlm.answer": ("choice",)},),
    "vlm.letters": ({"vlm.answer": ("choice",)},),
    "vlm.likelihood": ({"vlm.answer": ("likelihood",)},),
    "vlm.embedder": ({"vlm.answer": ("embedding",)},),
    "vlm.judge": ({"vlm.answer": ("refusal",)},),
    "vlm.judge_model": ({"vlm.judge": ("llm",)},),
    "vlm.max_new_tokens": (
        {"vlm.answer": tuple(way for way in get_args(Answer) if way not in _NOT_WRITTEN)},
        {"vlm.letters": ("parsed",)},
    ),
    "vlm.shards": ({"vlm.answer": tuple(way for way in get_args(Answer) if way != "refusal")},),
    "vlm.features_gib": (
        {
            "vlm.answer": tuple(way for way in get_args(Answer) if way != "refusal"),
            "vlm.cache": (True,),
        },
    ),
}

FAMILIES: Mapping[str, Family] = {
    "dual-encoder": Family(
        task="engine.vlm.dual_encoder.task:TASK",
        loader="engine.vlm.dual_encoder.loading:load",
        unused=(
            "vlm.answer",
            "vlm.device_map",
            "vlm.prefix_gib",
            "vlm.quantization",
            "vlm.trust_remote_code",
            *_WITH_ANSWERS,
        ),
    ),
    "encoder-decoder": Family(
        task="engine.vlm.encoder_decoder.task:TASK",
        loader="engine.vlm.encoder_decoder.loading:load",
        answers={
            "choice": "engine.vlm.encoder_decoder.task:CHOICE",
            "refusal": "engine.vlm.encoder_decoder.task:REFUSAL",
        },
        unused=("vlm.pretrained", "vlm.text_batch"),
        needs=_WITH_ANSWERS,
    ),
}


def task_of(config: VLMConfig) -> Task:
    """The task of the family that ``vlm.kind`` names, or of its ``vlm.answer``."""
    family = FAMILIES[config.kind]
    task: Task = resolve_name(family.answers.get(config.answer, family.task))
    return task


def why_unused(config: RunConfig, key: str) -> str | None:
    """Why no other value of a key would make a difference to the VLM, as a clause; None if one may.

    A key whose needs are met makes none where the keys that it needs make none themselves.
    """
    family = FAMILIES[config.vlm.kind]
    if key in family.unused:
        kinds = tuple(kind for kind, other in FAMILIES.items() if key not in other.unused)
        return f"that takes {_named({'vlm.kind': kinds})}"
    ways = family.needs.get(key, ())
    if not ways:
        return None
    met = [way for way in ways if all(_has(config, name, values) for name, values in way.items())]
    if not met:
        return f"that takes {', or '.join(map(_named, ways))}"
    reasons = [next(filter(None, (why_unused(config, name) for name in way)), None) for way in met]
    return None if None in reasons else reasons[0]


def _has(config: RunConfig, key: str, values: tuple[str | bool, ...]) -> bool:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name) in values


def _named(needs: Needs) -> str:
    return ", and ".join(
        f"{key} = {listed([str(value).lower() for value in values], 'or')}"
        for key, values in needs.items()
    )


def seed_template(config: RunConfig) -> str:
    """The template that a run starts from: the configuration's, or its VLM's."""
    return config.seed_template or task_of(config.vlm).seed_template


def with_seed_template(config: RunConfig) -> RunConfig:
    """The configuration of a new run, with the seed template that it starts from.

    Raises:
        ConfigError: if ``seed_template`` can't be a template of the VLM.
    """
    seed = seed_template(config)
    problem = task_of(config.vlm).placeholders.problem(seed)
    if problem is not None:
        raise ConfigError(f"seed_template is {quoted(seed)}; {problem}")
    return config.model_copy(update={"seed_template": seed})

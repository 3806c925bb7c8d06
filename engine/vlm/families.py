"""The families of VLMs by ``vlm.kind``: their tasks and loaders. Importing this loads no model.

Where a way to answer (``vlm.answer``) wants templates of another kind, it has a task of its own.

A family's task is read before any heavy library is loaded: by ``glov config``, before the first
paint. So its module imports neither torch nor a model's library.
"""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import NamedTuple

from engine.common.errors import ConfigError
from engine.common.names import quoted
from engine.config import RunConfig, VLMConfig
from engine.vlm.task import Task


class Family(NamedTuple):
    """Where a family is, as ``module:name``: imported when it is asked for."""

    task: str  # a Task
    loader: str  # a FamilyLoader, see engine.vlm.loading
    answers: Mapping[str, str] = {}  # the Tasks of values of vlm.answer that have their own


FAMILIES: Mapping[str, Family] = {
    "dual-encoder": Family(
        task="engine.vlm.dual_encoder.task:TASK",
        loader="engine.vlm.dual_encoder.loading:load",
    ),
    "encoder-decoder": Family(
        task="engine.vlm.encoder_decoder.task:TASK",
        loader="engine.vlm.encoder_decoder.loading:load",
        answers={
            "choice": "engine.vlm.encoder_decoder.task:CHOICE",
            "refusal": "engine.vlm.encoder_decoder.task:REFUSAL",
        },
    ),
}


def task_of(config: VLMConfig) -> Task:
    """The task of the family that ``vlm.kind`` names, or of its ``vlm.answer``."""
    family = FAMILIES[config.kind]
    task: Task = resolve_name(family.answers.get(config.answer, family.task))
    return task


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

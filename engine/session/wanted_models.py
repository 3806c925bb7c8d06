"""Which models a configuration asks for. Light: it is read before the first paint."""

from __future__ import annotations

from engine.config import RunConfig
from engine.placement.wanted import Wanted
from engine.search.registry import find_search
from engine.vlm.families import why_unused


def wanted_models(config: RunConfig, images: int | None = None) -> Wanted:
    """All models that a run of this configuration loads; ``images`` as in ``Wanted``."""
    from engine.session.judging import judge_config

    name = judge_model(config)
    return Wanted(
        llm=find_search(config).asks or (is_judged(config) and name is None),
        embedder=embedder(config) is not None,
        judges=() if name is None else (judge_config(config.llm, name),),
        images=images,
    )


def embedder(config: RunConfig) -> str | None:
    """The name of the embedder, where the VLM's answers need one."""
    wanted = config.vlm.answer == "embedding" and why_unused(config, "vlm.embedder") is None
    return config.vlm.embedder if wanted else None


def judge_model(config: RunConfig) -> str | None:
    """The name of an LLM that only judges, where there is to be one."""
    return config.vlm.judge_model if is_judged(config) else None


def is_judged(config: RunConfig) -> bool:
    """Whether an LLM judges what the VLM answers."""
    return config.vlm.judge == "llm" and why_unused(config, "vlm.judge") is None

"""What the models of a configuration take together, before any of them is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from engine.common.errors import ModelError
from engine.config import LLMConfig, RunConfig
from engine.models.load_errors import LONGEST
from engine.placement.needs import Needs
from engine.placement.wanted import Wanted


def estimate(config: RunConfig, wanted: Wanted) -> tuple[Needs, ...]:
    """What each local model takes; with weights of None where that can't be known.

    Raises:
        ModelError: if a device is not there, or a model can't be one; as loading it raises.
    """
    from engine.placement import of_open_clip, of_transformers

    def vlm() -> Needs:
        if config.vlm.kind == "dual-encoder":
            return of_open_clip.of_dual_encoder(config.vlm, wanted.images)
        return of_transformers.of_vlm(config.vlm)

    found = [_tried("VLM", "vlm", config.vlm.model, vlm)] if wanted.vlm else []
    if wanted.embedder:
        name = config.vlm.embedder
        found.append(
            _tried("embedder", "vlm", name, lambda: of_transformers.of_embedder(config.vlm))
        )
    llms = [(config.llm, "LLM")] if wanted.llm and not config.llm.is_served else []
    for llm, what in (*llms, *((judge, "judge") for judge in wanted.judges)):

        def asked(llm: LLMConfig = llm, what: str = what) -> Needs:
            return of_transformers.of_llm(config, llm, what)

        found.append(_tried(what, "llm", llm.model, asked))
    return tuple(found)


def _tried(what: str, key: Literal["llm", "vlm"], model: str, count: Callable[[], Needs]) -> Needs:
    try:
        return count()
    except ModelError:
        raise
    except Exception as error:  # of any library: what is wrong with it is said when it is loaded
        reason = " ".join(str(error).split())[:LONGEST] or type(error).__name__
        return Needs(what, key, model, (), None, f"not known: {reason}")

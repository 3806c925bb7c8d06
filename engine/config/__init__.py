"""The configuration of a run: its schema, TOML files, keys, and which of it can be edited."""

from engine.config.schema import (
    Alpha,
    AlphaUnit,
    DataConfig,
    EvaluationConfig,
    LLMConfig,
    Pooling,
    ProposalConfig,
    RunConfig,
    SamplingConfig,
    SearchConfig,
    SearchKind,
    SteeringConfig,
    SteeringMode,
    VLMConfig,
    is_one_line,
    names_gguf,
)

__all__ = [
    "Alpha",
    "AlphaUnit",
    "DataConfig",
    "EvaluationConfig",
    "LLMConfig",
    "Pooling",
    "ProposalConfig",
    "RunConfig",
    "SamplingConfig",
    "SearchConfig",
    "SearchKind",
    "SteeringConfig",
    "SteeringMode",
    "VLMConfig",
    "is_one_line",
    "names_gguf",
]

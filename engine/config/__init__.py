"""The configuration of a run: its schema, TOML files, keys, and which of it can be edited."""

from engine.config.asking import ProposalConfig, SamplingConfig, is_one_line
from engine.config.data import DataConfig
from engine.config.llm import DeviceMap, LLMConfig, LLMKind, Quantization, names_gguf
from engine.config.schema import (
    Alpha,
    AlphaUnit,
    EvaluationConfig,
    Pooling,
    RunConfig,
    SearchConfig,
    SearchKind,
    Select,
    SteeringConfig,
    SteeringMode,
    VLMConfig,
)

__all__ = [
    "Alpha",
    "AlphaUnit",
    "DataConfig",
    "DeviceMap",
    "EvaluationConfig",
    "LLMConfig",
    "LLMKind",
    "Pooling",
    "ProposalConfig",
    "Quantization",
    "RunConfig",
    "SamplingConfig",
    "SearchConfig",
    "SearchKind",
    "Select",
    "SteeringConfig",
    "SteeringMode",
    "VLMConfig",
    "is_one_line",
    "names_gguf",
]

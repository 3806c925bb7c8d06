"""The table ``llm``: the language model that proposes, in this process or on a server."""

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from engine.config.section import MOST, Given, Section

LLMKind = Literal["local", "openai"]
DeviceMap = Literal["auto", "balanced", "balanced_low_0", "sequential"]
Quantization = Literal["none", "4bit", "8bit"]

_OF_A_SERVER = (
    "base_url",
    "api_key_env",
    "timeout",
    "retries",
    "concurrency",
    "thinks",
    "price_in",
    "price_out",
    "max_cost",
)
_OF_A_LOCAL_ONE = (
    "revision",
    "dtype",
    "device",
    "device_map",
    "quantization",
    "attention",
    "trust_remote_code",
)


def names_gguf(model: str) -> bool:
    """Whether this ``llm.model`` is a GGUF file, on disk or on the hub."""
    return model.lower().endswith(".gguf")


class LLMConfig(Section):
    """The language model that proposes templates."""

    kind: LLMKind = Field(
        "local",
        description="local: a transformers causal LM; openai: any server that speaks OpenAI's chat "
        "API, never steered (docs/servers.md)",
    )
    model: Given = Field(
        "meta-llama/Meta-Llama-3-8B-Instruct",
        description="hub name, local folder (./dir), or a GGUF file, here (some/file.gguf) or on "
        "the hub (org/name/file.gguf); of a server the name that it knows the model by",
    )
    revision: Given | None = Field(None, description="branch, tag or commit on the hub")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="auto: the checkpoint's own on a GPU, float32 on a CPU"
    )
    device: Given = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    device_map: DeviceMap | None = Field(
        None,
        description="spread it over all GPUs, and what they have no room for over the host's "
        "memory: auto, balanced, balanced_low_0 (leaves room on the first GPU, for the VLM) or "
        "sequential; goes before device",
    )
    quantization: Quantization = Field(
        "none",
        description="of its linear layers when it is loaded: none, 8bit or 4bit (needs "
        "pip install 'glov-tui[quantized]'); a model that comes quantised (GPTQ, AWQ, fp8, ...) "
        "takes none",
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        "auto", description="attention implementation"
    )
    cuda_graphs: bool = Field(
        True, description="decode with CUDA graphs on a GPU, where the LLM allows it"
    )
    trust_remote_code: bool = Field(
        False, description="run code that comes with the model; leave off unless you read it"
    )
    base_url: Given = Field(
        "https://api.openai.com/v1",
        description="kind = openai: the server's address, e.g. http://localhost:8000/v1",
    )
    api_key_env: Given = Field(
        "OPENAI_API_KEY",
        description="kind = openai: the environment variable that holds the key, which is written "
        "nowhere",
    )
    timeout: float = Field(
        120.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="kind = openai: seconds without a sign of the server before it is asked again",
    )
    retries: int = Field(
        6,
        ge=0,
        le=100,
        description="kind = openai: how often a request that failed is repeated, later each time",
    )
    concurrency: int = Field(8, ge=1, le=1024, description="kind = openai: requests at once")
    thinks: bool = Field(
        False,
        description="kind = openai: the model thinks before it replies, so a reply may have "
        "sampling.thinking_tokens more",
    )
    price_in: float | None = Field(
        None,
        ge=0,
        le=MOST,
        allow_inf_nan=False,
        description="kind = openai: price of a million tokens that are sent, in any currency",
    )
    price_out: float | None = Field(
        None,
        ge=0,
        le=MOST,
        allow_inf_nan=False,
        description="kind = openai: price of a million tokens that come back",
    )
    max_cost: float | None = Field(
        None,
        gt=0,
        le=MOST,
        allow_inf_nan=False,
        description="kind = openai: the run asks no more once it has cost this much",
    )

    @property
    def is_served(self) -> bool:
        """Whether it runs on a server, out of reach but for its replies."""
        return self.kind == "openai"

    def why_unused(self, name: str) -> str | None:
        """Why a key of this table makes no difference, None if it does."""
        if name in (_OF_A_LOCAL_ONE if self.is_served else _OF_A_SERVER):
            return f"llm.kind is {self.kind}"
        return None

    def problem(self) -> str | None:
        """What is wrong with the address or the name of the key, None where nothing is.

        Said by the whole configuration, whose errors show no value: a key of a server that was
        written where it does not belong is not shown.
        """
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.api_key_env):
            return (
                "llm.api_key_env should be the name of an environment variable, in capitals, e.g. "
                "OPENAI_API_KEY; the key itself belongs into that variable and nowhere else"
            )
        return _address_problem(self.base_url)

    def price_problem(self) -> str | None:
        """What is wrong with the prices, which are given one after the other."""
        prices = (self.price_in, self.price_out)
        if None in prices and prices != (None, None):
            return "llm.price_in and llm.price_out go together: give both, or none"
        if self.max_cost is not None and None in prices:
            return "llm.max_cost needs llm.price_in and llm.price_out, to know what tokens cost"
        return None


def _address_problem(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        return (
            "llm.base_url should be a server's address that begins with http:// or https://, e.g. "
            "http://localhost:8000/v1"
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return (
            "llm.base_url should have no user name, password, query or fragment: it is written "
            "into the run's folder. A key goes into the environment (llm.api_key_env)"
        )
    return None

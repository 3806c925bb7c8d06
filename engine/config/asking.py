"""The tables ``sampling`` and ``proposal``: what the LLM is asked, and how it replies."""

from pydantic import Field, field_validator

from engine.config.section import MOST, Given, Section
from engine.prompts.message import Accept


def is_one_line(text: str) -> bool:
    """Whether a text is one line of what can be seen; joiners are, Persian is written with them."""
    return text.translate({0x200C: None, 0x200D: None}).isprintable()


class SamplingConfig(Section):
    """How tokens are drawn (docs/glov.md, 3: temperature 1, top-p 0.9, top-k 50, 50 tokens)."""

    temperature: float = Field(1.0, ge=0, le=10, description="0 is greedy")
    top_p: float = Field(0.9, gt=0, le=1, description="1 is off")
    top_k: int = Field(50, ge=0, le=MOST, description="0 is off")
    max_new_tokens: int = Field(50, ge=1, le=4096, description="longest reply, in tokens")
    thinking_tokens: int = Field(
        1024,
        ge=0,
        le=65536,
        description="longest thought of an LLM that thinks before it replies, in tokens, beside "
        "max_new_tokens; 0: thoughts count in max_new_tokens",
    )


class ProposalConfig(Section):
    """What the LLM is asked, and how often."""

    candidates: int = Field(10, ge=1, le=1024, description="replies per step")
    examples: int = Field(
        5, ge=1, le=100, description="k: best and worst templates of the run shown to the LLM"
    )
    attempts: int = Field(3, ge=1, le=20, description="tries of a step with too few new templates")
    min_new: int = Field(1, ge=0, le=1024, description="new valid templates that a step must yield")
    patience: int = Field(
        5,
        ge=0,
        le=MOST,
        description="steps in a row without any new template, after which the run pauses and says "
        "why (headless: ends, to be resumed); 0: never",
    )
    accept: Accept = Field(
        "usable",
        description="which replies are templates: usable (what can be scored: blanks in it stay, a "
        "cut-off end goes back to its last clause), verbatim (as it came, quotes off; the paper's) "
        "or clean (whole sentences without blanks only)",
    )
    reply_prefix: str | None = Field(
        None,
        max_length=300,
        description="what each reply is begun with, e.g. a photo of a <category>: the LLM goes on "
        "from there. Makes small LLMs useful, and freezes a part of the template",
    )
    confusions: int = Field(
        0,
        ge=0,
        le=20,
        description="tell the LLM so many pairs of classes that the best template confuses most on "
        "the training images, in words; 0: none (the paper's). They are counted as a step begins",
    )
    system_prompt: str | None = Field(None, description="replaces the built-in system prompt")
    task: str | None = Field(None, description="replaces the built-in description of the task")
    template_file: Given | None = Field(
        None, description="a meta-prompt template file of your own (see engine/search/templates)"
    )

    @field_validator("reply_prefix")
    @classmethod
    def _one_line(cls, prefix: str | None) -> str | None:
        if prefix is not None and not is_one_line(prefix):
            raise ValueError("should be one line of text")
        return (prefix or "").strip() or None

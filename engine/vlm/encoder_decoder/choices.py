"""A question with four options, as the VLM is asked: where the options go, and their letters."""

from __future__ import annotations

from collections.abc import Sequence

from engine.prompts.template import PLACEHOLDER
from engine.vlm.encoder_decoder.letters import LETTERS

ASK = "Answer with the letter of the right option."


def with_options(template: str, options: Sequence[str]) -> str:
    """The text that is asked about an image.

    A template without a placeholder gets the options behind it, one a line, and ``ASK``. Where
    ``<category>`` stands in it, they are put there on one line, and nothing is added: such a
    template has the whole question in its hand.

    Args:
        template: with at most one placeholder.
        options: four names in the order of the letters.
    """
    listed = [f"{letter}. {name}" for letter, name in zip(LETTERS, options, strict=True)]
    if PLACEHOLDER in template:
        return template.replace(PLACEHOLDER, ", ".join(listed), 1)
    return "\n".join([template, *listed, ASK])

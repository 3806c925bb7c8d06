"""What a template is to an encoder-decoder VLM such as LLaVA: a question. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.vlm.interface import Placeholders, Task

if TYPE_CHECKING:
    from engine.prompts.message import Accept, Finish
    from engine.prompts.reply import Parsed


def _read(
    text: str, *, finish: Finish = "stop", accept: Accept = "clean", begun: str = ""
) -> Parsed:
    from engine.prompts.question import parse_question  # many patterns: not before a paint

    return parse_question(text, finish=finish, accept=accept, begun=begun)


TASK = Task(
    seed_template="Describe the image. What is the name of its category?",
    system_prompt=(
        "You write prompts for a vision-language model. A prompt is one or two short sentences "
        "that ask about an image, or tell what to do with it. The model sees the image and "
        "answers, and its answer should name the category that the image belongs to. The "
        "categories are not shown to it. Reply with one prompt and nothing else."
    ),
    goal="find the prompt with which the model names the right category of most images.",
    form="prompt that asks for the category of an image",
    placeholders=Placeholders(least=0, most=0),
    reader=_read,
)
"""Questions: the same for every class, so a class name has no place in them."""

"""What a template is to a dual encoder such as CLIP (docs/glov.md, 1). No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.prompts.template import PLACEHOLDER
from engine.vlm.task import Placeholders, Task

if TYPE_CHECKING:
    from engine.prompts.message import Accept, Finish
    from engine.prompts.reply import Parsed

LONGEST = 300  # characters: about the 77 tokens of CLIP's text tower


def _read(
    text: str, *, finish: Finish = "stop", accept: Accept = "clean", begun: str = ""
) -> Parsed:
    from engine.prompts.reply import parse_reply  # hundreds of patterns: not before a paint

    return parse_reply(text, finish=finish, max_length=LONGEST, accept=accept, begun=begun)


TASK = Task(
    seed_template=f"a photo of a {PLACEHOLDER}.",
    system_prompt=(
        "You write prompt templates for a vision-language model. A template is one short sentence "
        "with the placeholder <category>. The name of each class is put in its place, and an image "
        "is given the class whose sentence fits it best. Reply with one template and nothing else."
    ),
    goal="find the template with which the model recognises most images.",
    form=f"template with the placeholder {PLACEHOLDER}",
    placeholders=Placeholders(least=1),
    reader=_read,
)
"""Class texts: the class name is put in place of every placeholder."""

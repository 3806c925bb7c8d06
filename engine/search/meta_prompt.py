"""From the state of a run to the chat messages that the LLM is asked with (docs/glov.md, 2).

The wording is a Jinja template with a ``system`` and a ``user`` block, so that users can replace
it by a file of their own. Templates are data: they are rendered in Jinja's sandbox, within limits.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.common.errors import ConfigError
from engine.common.text_file import read_text
from engine.prompts.jinja_limits import limited_rendering
from engine.prompts.message import Message
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.search.confused import Confused
from engine.vlm.task import Task

_SHOWN_OF_A_REPLY = 300  # characters

BUILT_IN = Path(__file__).parent / "templates" / "metaprompt.jinja"


@dataclass(frozen=True, slots=True)
class Example:
    """An in-context example: a template and its few-shot accuracy in percent, 0 to 100."""

    text: str
    accuracy: float


@dataclass(frozen=True, slots=True)
class MetaPrompt:
    """A meta-prompt template together with the texts that a person may replace."""

    source: str
    origin: str  # file name, for messages
    system_prompt: str
    task: str
    form: str  # what the LLM is to write one of

    def compose(
        self,
        *,
        dataset_name: str,
        dataset_description: str,
        class_names: Sequence[str],
        best: Sequence[Example],
        worst: Sequence[Example],
        step: int,
        confused: Sequence[Confused] = (),
    ) -> tuple[Message, ...]:
        """The system and the user message of one step; an empty system block is left out.

        ``confused`` are the classes that the best template confuses most.

        Raises:
            ConfigError: if the template uses an unknown variable or can't be rendered.
        """
        template = _compile(self.source, self.origin)
        variables = {
            "system_prompt": self.system_prompt,
            "task": self.task,
            "form": self.form,
            "dataset_name": dataset_name,
            "dataset_description": dataset_description,
            "class_names": list(class_names),
            "best": list(best),
            "worst": list(worst),
            "step": step,
            "confused": [pair._asdict() for pair in confused],
        }
        texts = {}
        for block in ("system", "user"):
            try:
                context = template.new_context(variables)
                with limited_rendering():
                    texts[block] = "".join(template.blocks[block](context)).strip()
            except Exception as error:  # a template may do anything: divide by zero, recurse
                reason = str(error) or type(error).__name__
                raise ConfigError(
                    f"{self.origin}: the {block} block can't be rendered: {reason}. It may use: "
                    f"{', '.join(variables)}"
                ) from error
        messages: list[Message] = []
        if texts["system"]:
            messages.append({"role": "system", "content": texts["system"]})
        messages.append({"role": "user", "content": texts["user"]})
        return tuple(messages)


def load_meta_prompt(template_file: str | None, task: Task) -> MetaPrompt:
    """Read a meta-prompt template, the built-in one by default; its texts are the task's.

    Raises:
        ConfigError: if the file can't be read, has a syntax error, lacks the ``user`` or
            ``system`` block, or fails on an example.
    """
    path = Path(template_file) if template_file else BUILT_IN
    try:
        source = read_text(path, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"proposal.template_file: {error}") from error
    prompt = MetaPrompt(source, str(path), task.system_prompt, task.goal, task.form)
    missing = {"system", "user"} - set(_compile(source, str(path)).blocks)
    if missing:
        raise ConfigError(
            f"{path}: no block named {' and '.join(sorted(missing))}; a meta-prompt template has "
            "{% block system %}...{% endblock %} and {% block user %}...{% endblock %}"
        )
    example = [Example(task.seed_template, 50.0)]
    prompt.compose(  # a mistake shows up now, not after the models were loaded
        dataset_name="name",
        dataset_description="",
        class_names=["one", "two"],
        best=example,
        worst=example,
        step=0,
        confused=[Confused("one", "two", 1, 2)],
    )
    return prompt


def compose_for(
    prompt: MetaPrompt,
    state: RunState,
    step: int,
    best: Sequence[ScoredTemplate],
    worst: Sequence[ScoredTemplate],
    attempt: int = 1,
    confused: Sequence[Confused] = (),
) -> tuple[Message, ...]:
    """The messages that the LLM is asked with in ``step``, a person's own where there are any.

    ``best`` and ``worst`` are its in-context examples, both from low to high accuracy;
    ``confused`` what the best one confuses most.

    The last one is what the reply shall begin with, where ``proposal.reply_prefix`` says so.

    Another attempt is the same question, whose replies are drawn anew. At temperature 0 there is
    nothing to draw, so the question says what was replied to it and is to be avoided.

    Raises:
        ConfigError: if the meta-prompt template can't be rendered.
    """
    assert state.config is not None
    prefix = state.config.proposal.reply_prefix
    if state.next_messages is not None:
        return with_prefix(state.next_messages, prefix)
    assert state.models is not None
    edited = replace(
        prompt,
        system_prompt=state.config.proposal.system_prompt or prompt.system_prompt,
        task=state.config.proposal.task or prompt.task,
    )
    messages = edited.compose(
        dataset_name=state.models.dataset_name,
        dataset_description=state.models.dataset_description,
        class_names=state.models.class_names,
        best=_examples(best),
        worst=_examples(worst),
        step=step,
        confused=confused,
    )
    if attempt > 1 and state.config.sampling.temperature == 0:
        replies = [(c.attempt, c.reply) for c in state.candidates if c.step == step]
        messages = _without_replies(messages, replies)
    return with_prefix(messages, prefix)


def _examples(templates: Sequence[ScoredTemplate]) -> list[Example]:
    """From low to high accuracy, also where some have seen fewer images.

    How many is not said: a template that a race dropped is one of the worse, and its accuracy so
    far is the best guess at what it would be.
    """
    return [Example(t.text, 100 * t.accuracy) for t in sorted(templates, key=lambda t: t.accuracy)]


def with_prefix(messages: Sequence[Message], prefix: str | None) -> tuple[Message, ...]:
    """The messages, and what the reply to them shall begin with."""
    if not prefix:
        return tuple(messages)
    return (*messages, {"role": "assistant", "content": prefix})


def can_ask_again(state: RunState) -> bool:
    """Whether another attempt can get other replies than the one before it."""
    assert state.config is not None
    return state.config.sampling.temperature > 0 or state.next_messages is None


def _without_replies(
    messages: tuple[Message, ...], replies: Sequence[tuple[int, str]]
) -> tuple[Message, ...]:
    """The same question for a reply that is none of these, which are given with their attempts.

    Equal ones of an attempt are one; those of two are not, or it would be the same question.
    """
    listed = "\n".join(
        f"- {' '.join(reply.split())[:_SHOWN_OF_A_REPLY]}"
        for (_attempt, reply), _equal in itertools.groupby(replies)
    )
    *before, last = messages
    asked: Message = {
        "role": last["role"],
        "content": f"{last['content']}\n\nYou have replied this already:\n{listed}\n"
        "Write another template, which is none of these.",
    }
    return (*before, asked)


@lru_cache(maxsize=8)
def _compile(source: str, origin: str) -> Template:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise ConfigError(f"{origin}, line {error.lineno}: {error.message}") from error
    except Exception as error:  # nested too deeply
        reason = str(error) or type(error).__name__
        raise ConfigError(f"{origin} can't be read as a template: {reason}") from error

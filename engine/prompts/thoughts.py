"""What of an LLM's text is thought and what is its reply, as the markers in it say.

Reasoning models think aloud before they reply, each family between markers of its own; thought is
no part of a reply. This file knows the markers and how to part a text at them, also piece by piece
while it comes in. It takes linear time, and never raises.

Formats, with models that use them: ``<think>`` (DeepSeek-R1, QwQ, Qwen3, GLM, Nemotron, Granite 4,
Kimi K2, MiniMax, SmolLM3), ``<thought>`` (EXAONE Deep), ``<seed:think>`` (Seed-OSS), ``[THINK]``
(Magistral), ``◁think▷`` (Kimi-VL), ``<|START_THINKING|>`` (Command A), ``<|channel>`` (Gemma 4),
``<|inner_prefix|>`` (Apertus), ``<|begin_of_thought|>`` (Sky-T1), ``<|open|>think<|sep|>``
(Kimi K3), ``<reflection>`` (Reflection), ``<analysis>`` and ``<scratchpad>`` (by habit of prompts),
sentences (Granite 3.2, Apriel), and the channels of harmony (gpt-oss), of which only
``final`` is the reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAGS = (
    *("think", "thinking", "thought", "reasoning", "seed:think"),
    *("analysis", "reflection", "scratchpad"),
)
_MARKED = (  # (what opens a thought, what closes it)
    *((f"<{tag}>", f"</{tag}>") for tag in _TAGS),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("Here is my thought process:", "Here is my response:"),
    ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
)
_AROUND = frozenset(  # around the reply itself: neither thought nor reply
    (
        "<|open|>response<|sep|>",
        "<|close|>response<|sep|>",
        "<|close|>message<|sep|>",
        "[end final response]",
    )
)
_HARMONY = re.compile(r"<\|(channel|message|start|end|return|call)\d?\|>")
_HARMONY_NAMES = ("channel", "message", "start", "end", "return", "call")

# All XML-like tags close one another: models mix them up.
_CLOSED_BY = {o.lower(): "tag" if o[1:-1] in _TAGS else c.lower() for o, c in _MARKED}
_CLOSES = {c.lower(): "tag" if c[2:-1] in _TAGS else c.lower() for _, c in _MARKED}
_LITERALS = (*_CLOSED_BY, *_CLOSES, *sorted(_AROUND))
_MARKER = re.compile(
    "|".join([*(re.escape(text) for text in _LITERALS), _HARMONY.pattern]), re.IGNORECASE
)
_BEGUN = frozenset(  # all proper beginnings of a marker
    text[:end]
    for text in (*_LITERALS, *(f"<|{n}{d}|>" for n in _HARMONY_NAMES for d in ("", "2")))
    for end in range(1, len(text))
)
_LONGEST = max(len(text) for text in _BEGUN)
# What follows a marker that is a word of a sentence: "with a <thought> bubble", "a <think>."
_GOES_ON = re.compile(r" [^\W\d_A-Z]|[.,;:!?]")
# Harmony of which a decoder has dropped the special tokens.
_BARE_HARMONY = re.compile(r"\s*(?:analysis|commentary)(?=(?P<sentence>[^\W_a-z])?)")
_BARE_FINAL = "assistantfinal"


@dataclass(frozen=True, slots=True)
class Parted:
    """A whole text: what is thought, what is the reply, and whether it ends within a thought."""

    thought: str
    reply: str
    inside: bool


def part(text: str) -> Parted:
    """Part a whole text. A thought that is closed but not opened began in the prompt."""
    bare = _BARE_HARMONY.match(text)
    at = text.rfind(_BARE_FINAL) if bare else -1
    if bare and (bare["sentence"] or at >= 0):
        if at < 0:
            return Parted(text[bare.end() :], "", inside=True)
        return Parted(text[bare.end() : at], text[at + len(_BARE_FINAL) :], inside=False)
    stream = ThoughtStream()
    stream.push(text)
    stream.flush()
    return Parted(stream.thought, stream.reply, stream.inside)


def is_marker_part(token: str) -> bool:
    """Whether a special token is, or belongs to, a marker of a thought."""
    lowered = token.lower()
    return bool(_HARMONY.fullmatch(lowered)) or (
        len(lowered) > 2 and any(lowered in marker for marker in _LITERALS)
    )


def mentions_thoughts(text: str) -> bool:
    """Whether a text (a chat template) has what opens a thought, or harmony's channels."""
    lowered = text.lower()
    return has_channels(lowered) or any(marker in lowered for marker in _CLOSED_BY)


def ends_thought(text: str) -> bool:
    """Whether a text (a prompt) ends with what closes a thought."""
    return text.rstrip().lower().endswith(tuple(_CLOSES))


def has_channels(text: str) -> bool:
    """Whether a text (a chat template, names of tokens) is of harmony."""
    return "<|channel|>" in text


def _has_words(text: str) -> bool:
    return any(char.isalnum() for char in text)


class ThoughtStream:
    """Parts a text that comes in pieces. What may be the beginning of a marker is held back."""

    def __init__(self, within: str | None = None) -> None:
        """``within``: the kind of thought that the text before had begun, see ``open_kind``."""
        self._closer = within  # what closes the thought that we are in
        self._header: list[str] | None = None  # harmony: between <|channel|> and <|message|>
        self._harmony = False
        self._ended = False
        self._held = ""
        self._thought: list[str] = []
        self._reply: list[str] = []
        self._new_thought: list[str] = []
        self._new_reply: list[str] = []
        self._seen_thought = False
        self._said = False  # whether the reply has words
        self._interrupted = False  # the reply, by a thought
        self._draft: int | None = None  # where what was said before a second thought ends
        self._end = ""  # of what was said since the last thought, two characters
        self._word: int | None = None  # where in the reply a marker stands that was read as a word
        self.turned = 0  # how often a reply so far turned out to be a thought that it closed

    @property
    def thought(self) -> str:
        """All thoughts so far."""
        return "".join(self._thought)

    @property
    def reply(self) -> str:
        """The reply so far."""
        return "".join(self._reply)

    @property
    def open_kind(self) -> str | None:
        """The kind of the thought that is open, None outside of thoughts."""
        return self._closer

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a thought, or between harmony's messages."""
        return not self._ended and (self._closer is not None or self._header is not None)

    @property
    def seen(self) -> bool:
        """Whether there was any thought, also an empty one."""
        return self._seen_thought

    @property
    def ended(self) -> bool:
        """Whether the reply is over, as harmony's markers say."""
        return self._ended

    def push(self, text: str) -> tuple[str, str]:
        """Take a piece in; returns what it adds to the thought and to the reply."""
        text = self._held + text
        at = 0
        for found in _MARKER.finditer(text):
            self._take(text[at : found.start()])
            at = found.start()
            if self._may_be_word(found[0]) and len(text) < found.end() + 2:
                self._held = text[at:]  # what follows decides
                return self._news()
            at = self._mark_or_take(text, found)
        text = text[at:]
        keep = next(
            (n for n in range(min(_LONGEST, len(text)), 0, -1) if text[-n:].lower() in _BEGUN), 0
        )
        self._take(text[: len(text) - keep])
        self._held = text[len(text) - keep :]
        return self._news()

    def _mark_or_take(self, text: str, found: re.Match[str]) -> int:
        """Read a marker as such, or as the word it is used as; returns where it ends."""
        if self._may_be_word(found[0]) and _GOES_ON.match(text, found.end()):
            self._word = len(self._reply)
            self._take(found[0])
        else:
            self._mark(found[0])
        return found.end()

    def _may_be_word(self, marker: str) -> bool:
        """Whether what would open a thought stands in the middle of the reply's sentence."""
        opens = marker[0] in "<[" and marker[1] != "|" and marker.lower() in _CLOSED_BY
        outside = self._closer is None and self._header is None and not self._ended
        return opens and outside and self._end[-1:] == " " and self._end[:1].isalnum()

    def flush(self) -> tuple[str, str]:
        """The end: what was held back is no marker."""
        found = _MARKER.match(self._held)  # in a sentence, and next to nothing follows
        at = self._mark_or_take(self._held, found) if found else 0
        self._take(self._held[at:])
        self._held = ""
        return self._news()

    def _news(self) -> tuple[str, str]:
        news = "".join(self._new_thought), "".join(self._new_reply)
        self._new_thought, self._new_reply = [], []
        return news

    def _take(self, text: str) -> None:
        if not text or self._ended:
            return
        if self._header is not None:
            self._header.append(text)
        elif self._closer is not None:
            self._thought.append(text)
            self._new_thought.append(text)
        else:
            if self._interrupted:  # by a thought: what is said after it begins anew
                text, self._interrupted = f"\n{text}", False
            self._reply.append(text)
            self._new_reply.append(text)
            self._end = (self._end + text)[-2:]
            if _has_words(text):
                if self._draft is not None:
                    self._take_back(0, self._draft)
                self._said = True

    def _take_back(self, start: int, end: int) -> None:
        """What was said there was thought. It has been shown, and stays so."""
        said = self._reply[start:end]
        self._thought += said
        self._new_thought += said
        del self._reply[start:end]
        self._interrupted, self._draft, self._word = False, None, None
        self.turned += 1

    def _mark(self, text: str) -> None:
        marker = text.lower()
        harmony = _HARMONY.fullmatch(marker)
        if harmony:
            self._mark_harmony(harmony[1], text)
        elif self._header is not None or marker in _AROUND:
            return
        elif self._closer is None and marker in _CLOSED_BY:
            self._closer = _CLOSED_BY[marker]
            self._interrupted = bool(self._reply)
            if self._seen_thought and self._said:
                self._draft = len(self._reply)
            self._seen_thought, self._end = True, ""
        elif marker in _CLOSES:
            if self._closer is None:  # it began in the prompt, or with what was read as a word
                self._take_back(self._word or 0, len(self._reply))
                self._said, self._end = bool(self._reply), ""
            elif self._closer != _CLOSES[marker]:
                self._take(text)
                return
            self._closer = None
            self._seen_thought = True
        else:
            self._take(text)

    def _mark_harmony(self, name: str, text: str) -> None:
        blank = not any(piece.strip() for piece in self._reply)
        if name == "channel" or (name == "start" and (self._harmony or blank)):
            self._harmony = True
            self._header = []
        elif name == "message" and self._header is not None:
            channel = "".join(self._header).strip()
            final = channel.endswith("assistant") or channel.startswith("final")
            self._header = None
            self._closer = None if final or not channel else "harmony"
            self._seen_thought = self._seen_thought or not final
        elif not self._harmony:
            self._take(text)
        elif name == "end" and self._closer is not None:
            self._closer, self._header = None, []
        elif name in ("end", "return", "call"):
            self._ended = True

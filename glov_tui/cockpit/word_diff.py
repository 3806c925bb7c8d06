"""What two texts have in common and what only one of them has, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from engine.prompts.template import PLACEHOLDER
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line, Span

_WORDS = re.compile(rf"{re.escape(PLACEHOLDER)}|\w+|\s+|[^\w\s]")


def word_diff(first: str, second: str) -> Line:
    """The first as it differs from the second: ``{+what only it has+}``, ``[-what only the other
    has-]``, as git writes them, so that it reads without colours. The texts are untrusted.
    """
    ours, theirs = _WORDS.findall(first), _WORDS.findall(second)
    # Runs of (what only the second has, what only the first has, what both have behind it).
    runs: list[tuple[str, str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        gone, come = "".join(theirs[a:b]), "".join(ours[c:d])
        if kind != "equal":
            before = runs[-1] if runs else ("", "", " ")
            if runs and not before[2].strip():  # only spaces between: one change
                between = before[2]
                runs[-1] = (before[0] + between + gone, before[1] + between + come, "")
            else:
                runs.append((gone, come, ""))
        elif runs:
            runs[-1] = (*runs[-1][:2], gone)
        else:
            runs.append(("", "", gone))
    spans: list[Span] = []
    for gone, come, both in runs:
        if gone:
            spans.append((f"[-{clean(gone)}-]", "bad"))
        if come:
            spans.append((f"{{+{clean(come)}+}}", "good"))
        if both:
            spans.append((clean(both), ""))
    return tuple(spans)

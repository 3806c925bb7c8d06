"""Taking up a run where its journal ends: what is there of it, and what is to be said of that."""

from __future__ import annotations

from dataclasses import dataclass

from engine.common.bits import text_to_bits
from engine.common.versions import own_versions
from engine.run import events as ev
from engine.run.state import RunState
from engine.storage.journal import Journal, fold_journal, read_journal
from engine.storage.trust import check_trust
from engine.vlm.interface import Score


@dataclass(frozen=True)
class TakenUp:
    """A run whose journal can be appended to."""

    state: RunState
    scores: dict[str, Score]  # of the training images, by template text
    begun: ev.Event | None  # the first fact, where no engine has had it yet
    news: tuple[ev.Event, ...]  # facts on how it is taken up, to be published


def take_up(journal: Journal, trusted: bool) -> TakenUp:
    """Read the journal, and have it go on after what is whole of it.

    Raises:
        JournalError: if it is damaged, of another version, or can't be changed.
        UserError: as ``check_trust``, if it is not ``trusted``.
    """
    content = read_journal(journal.folder)
    state = fold_journal(journal.folder, content.events)
    finished = state.status == "finished"
    if state.config is not None and not finished:
        check_trust(journal.folder, state.config, trusted)
    scores: dict[str, Score] = {}
    for e in content.events:
        if isinstance(e, ev.TemplateScored):
            known = scores.get(e.template)
            if known is None or e.n > known.n:  # as the fold takes them
                right = text_to_bits(e.right, e.n) if e.right else ()
                scores[e.template] = Score(
                    e.hits, e.n, e.margin, e.class_hits, e.unnamed, right, e.probability
                )
    journal.make_appendable(content)
    if finished:  # there is nothing left to do: the result is shown again
        return TakenUp(state, scores, None, ())
    remarks = []
    if content.torn_bytes:
        remarks.append(f"the journal's last line was torn; cut {content.torn_bytes} B")
    if content.version != ev.JOURNAL_VERSION:
        remarks.append(f"the journal was of version {content.version}; rewritten")
    if journal.left_by is not None:
        remarks.append(f"{journal.left_by} died while it drove this run; taken over")
    is_new = len(content.events) == 1
    reopened = () if is_new else (ev.RunReopened(versions=own_versions()),)
    return TakenUp(
        state,
        scores,
        content.events[0] if is_new else None,
        (*reopened, *(ev.Warned(message=remark) for remark in remarks)),
    )

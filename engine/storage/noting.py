"""A note in the journal of a run that no engine is at work on, ended or not."""

from __future__ import annotations

from pathlib import Path

from engine.common.errors import UserError
from engine.run import events as ev
from engine.run.commands import WriteNote
from engine.run.note_check import note_problem, noted
from engine.storage.journal import Journal, fold_journal, read_journal
from engine.storage.summary import Published, keep_summary_of


def note_at_rest(folder: Path, command: WriteNote) -> ev.Noted:
    """Append a note, as the only process that has the run at this moment.

    Raises:
        UserError: if it can't be written: another process drives the run, its journal is damaged,
            or it is a note on what is not there.
    """
    journal = Journal(folder)
    try:
        content = read_journal(folder)
        state = fold_journal(folder, content.events)
        problem = note_problem(state, command)
        if problem is not None:
            raise UserError(f"note refused: {problem}")
        journal.make_appendable(content)
        event = noted(state, command)
        state = state.apply(event)
        journal.append(event)
        keep_summary_of(folder, Published(journal.size, state))
    except BaseException:
        journal.abandon()
        raise
    journal.close()
    return event

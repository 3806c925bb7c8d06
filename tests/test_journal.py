from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.config import RunConfig
from engine.config_file import load_config
from engine.errors import JournalError, UserError
from engine.journal import EVENTS, Journal, cut_torn_line, find_run, read_journal

CONFIG = RunConfig.model_validate({"data": {"path": "/images"}})


def started() -> ev.RunStarted:
    return ev.RunStarted(run="r", config=CONFIG.model_dump(mode="json"), versions={})


def written(folder: Path, *events: ev.Event) -> Path:
    journal = Journal.create(folder, CONFIG)
    for event in (started(), *events):
        journal.append(event)
    journal.close()
    return folder


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_line_and_comes_back(text: str) -> None:
    event = ev.Warned(message=text)
    line = ev.format_event(event)
    assert "\n" not in line and "\r" not in line
    assert ev.parse_event(line) == event


def test_facts_come_back_in_order(tmp_path: Path) -> None:
    events = [ev.Warned(message=f"{i} \u2028 \x1b[31m ü") for i in range(5)]
    content = read_journal(written(tmp_path / "run", *events))
    assert content.events[1:] == tuple(events)
    assert content.torn_bytes == 0


def test_run_folder_is_private_and_holds_the_config(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / EVENTS).stat().st_mode & 0o777 == 0o600
    assert load_config(folder / "config.toml") == CONFIG


def test_torn_last_line_at_every_byte_is_cut_and_appended_to(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1), ev.Warned(message="last"))
    path = folder / EVENTS
    whole = path.read_bytes()
    before = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(before, len(whole)):
        path.write_bytes(whole[:end])
        content = read_journal(folder)
        assert len(content.events) == 2
        assert content.torn_bytes == end - before
        cut_torn_line(folder, content.torn_bytes)
        journal = Journal(folder)
        journal.append(ev.StepStarted(step=2))
        journal.close()
        assert read_journal(folder).events[-1].kind == "step-started"


def test_damage_in_the_middle_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", ev.StepStarted(step=1), ev.StepStarted(step=2))
    lines = (folder / EVENTS).read_bytes().split(b"\n")
    lines[1] = lines[1][:-3]
    (folder / EVENTS).write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match="line 2 of 3 is damaged"):
        read_journal(folder)


def test_other_version_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    text = (folder / EVENTS).read_text()
    (folder / EVENTS).write_text(text.replace('"journal_version":1', '"journal_version":99'))
    with pytest.raises(JournalError, match="version 99"):
        read_journal(folder)


def test_a_folder_with_a_run_is_never_overwritten(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    before = (folder / EVENTS).read_bytes()
    with pytest.raises(UserError, match="glov resume"):
        Journal.create(folder, CONFIG)
    assert (folder / EVENTS).read_bytes() == before


def test_run_dir_on_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written there"):
        Journal.create(tmp_path / "file" / "run", CONFIG)


def test_missing_run_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no run there"):
        find_run(str(tmp_path / "nothing"))

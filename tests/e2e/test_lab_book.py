"""The lab book in a real terminal: a pasted list, notes, what replies begin with, who did what.

The tests share a run that is paused at 80x24: whoever uses it leaves it like that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.storage.journal import read_journal, read_state
from tests.support.command import called, demo, stop_and_quit
from tests.support.terminal import Terminal

SHIFT_TAB, RIGHT, DOWN, F2 = "\x1b[Z", "\x1b[C", "\x1b[B", "\x1bOQ"
EMPTY, SAVE = "\x1b[F\x15", "\x13"  # end and ctrl+u, ctrl+s
BLUE, DRAWN = "a photo of a <category> lit in blue.", "a drawing of a <category>"
LIST = f"- {BLUE}\r\n1. a drawing of a {{}}\n\na bare photo\n{BLUE}\na photo of a <category>."
PREFIX = "a dim photo of a <category>,"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, Path]]:
    folder = tmp_path_factory.mktemp("held") / "run"
    with Terminal(demo(folder, "steps=400"), columns=80, rows=24) as terminal:
        terminal.wait_for("proposing")
        terminal.press("space")
        terminal.wait_for("paused")
        yield terminal, folder
        stop_and_quit(terminal)


def facts(folder: Path, kind: type) -> list:
    return [event for event in read_journal(folder).events if isinstance(event, kind)]


def paste(terminal: Terminal, text: str) -> None:
    assert 2004 in terminal.modes, "the terminal was not asked to mark pastes"
    terminal.send(f"\x1b[200~{text}\x1b[201~")


def test_a_pasted_list_is_sorted_and_a_table_says_what_came_of_it(held) -> None:
    terminal, folder = held
    terminal.press("i")
    terminal.wait_for("inject templates")
    paste(terminal, LIST)  # its lines are no enter keys
    terminal.wait_for("Line 4: the template lacks the placeholder", "2 templates")
    assert not facts(folder, ev.TemplateInjected), "a line of a paste was sent by itself"
    terminal.press("enter")
    terminal.wait_for("Enter once more")
    terminal.press("enter")
    terminal.wait_for("3 injected: 3 scored, 1 can't be, 1 there twice")
    terminal.wait_for(BLUE, DRAWN, "(scored before) a photo", "line 4", "gain")
    terminal.press("end")
    terminal.wait_for("The template lacks the placeholder <category>.")  # of the row, in full
    terminal.press("escape")
    terminal.wait_gone("3 injected:")
    asked = [e.template for e in facts(folder, ev.TemplateScored) if e.origin == "human"]
    assert asked == [BLUE, DRAWN]


def test_notes_on_a_template_and_a_step_are_in_list_report_and_export(held) -> None:
    terminal, folder = held
    terminal.press("2", "home", "a")
    terminal.wait_for("on  <template>")
    paste(terminal, "blue helps\nwith glass")
    terminal.press("ctrl+s")
    terminal.wait_for("✎", "n note")  # in the list of templates, and on the chart's axis
    # In one read, as on a slow line: to the step, the text, and the key that saves it.
    terminal.send(f"a{SHIFT_TAB}{RIGHT}\tslow today{SAVE}")
    terminal.wait_until(lambda: len(facts(folder, ev.Noted)) == 2, "both notes")
    terminal.wait_gone("on  <")
    terminal.send(f"a{F2}")
    terminal.wait_for("lab book", "blue helps", "slow today")
    terminal.press("escape")
    terminal.wait_gone("lab book")
    on_template, on_step = facts(folder, ev.Noted)
    state = read_state(folder)
    assert on_template.text == "blue helps\nwith glass"
    assert on_template.template == normalise(state.best.text)
    assert (on_step.text, on_step.step) == ("slow today", state.step)
    terminal.press("x")
    terminal.wait_for("export", "html")
    terminal.press("enter")
    report = folder / "exports" / f"{folder.name}.html"
    terminal.wait_until(report.exists, "the report")
    done = called("export", str(folder), "--format", "json", "--out", "-")
    assert done.returncode == 0, done.stderr
    for where, text in (("report", report.read_text()), ("JSON", done.stdout)):
        assert "blue helps" in text and "slow today" in text, f"a note is not in the {where}"


def test_what_replies_begin_with_is_frozen_and_what_is_confused_is_told_from_a_step_on(
    held,
) -> None:
    terminal, folder = held
    terminal.send(f"o{DOWN * 3}")
    terminal.wait_for("options, from step", "proposal.reply_prefix: what each reply is begun with")
    terminal.send(f"{PREFIX}{DOWN}")
    terminal.wait_for("proposal.confusions: tell the LLM")
    terminal.send(f"{EMPTY}2{SAVE}")
    terminal.wait_gone("options, from step")
    terminal.wait_until(lambda: len(facts(folder, ev.Edited)) == 2, "both edits")
    edits = facts(folder, ev.Edited)
    values = {edited.edit.key: edited.edit.value for edited in edits}
    assert values == {"proposal.reply_prefix": PREFIX, "proposal.confusions": 2}
    held_from = edits[-1].step
    for done in range(read_state(folder).steps_done, held_from):
        terminal.press("n")  # the one that was begun without it, and then one with it
        terminal.wait_until(lambda done=done: read_state(folder).steps_done > done, "a step")
        terminal.wait_for("paused")
    terminal.press("4")
    terminal.wait_for(f"candidates: step {held_from}", "a dim photo")
    begins, told = defaultdict(set), {}
    for proposed in facts(folder, ev.CandidateProposed):
        begins[proposed.step].add(proposed.reply.startswith(PREFIX))
    for composed in facts(folder, ev.MetaPromptComposed):
        asked = " ".join(message["content"] for message in composed.messages)
        told[composed.step] = "The best template still takes" in asked
    steps = range(1, held_from + 1)
    assert [begins[step] for step in steps] == [{step == held_from} for step in steps]
    assert [told[step] for step in steps] == [step == held_from for step in steps]


def test_what_a_script_did_is_on_the_screen_with_who_and_why(held) -> None:
    terminal, folder = held
    asking = ["--author", "bot", "--reason", "cooler", "--take"]
    done = called("ctl", str(folder), "edit", "sampling.temperature=0.5", *asking)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["edit"]["author"] == "bot"
    terminal.press("6", "z", "end")
    terminal.wait_for("sampling.temperature = 0.5", "by bot, because: cooler")
    terminal.press("z", "C", "/")
    terminal.wait_for("configuration:", "FIND")
    terminal.send("by bot\r")
    terminal.wait_for("1/", "by bot")
    terminal.press("escape")
    terminal.wait_gone("FIND")
    terminal.press("escape")
    terminal.wait_gone("configuration:")
    terminal.wait_for("Go on")  # the controls came back as the script ended

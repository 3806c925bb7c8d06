"""`glov ctl`: a run driven by a script, and what it says where it can't be."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.analysis.export import as_json
from engine.analysis.export.exported import read_exported
from engine.common.errors import UserError
from engine.common.kept import Kept
from engine.prompts.template import normalise
from engine.remote import address
from engine.remote.client import RemoteSession
from engine.remote.driver import Driver, NotDone
from engine.remote.messages import TakeControls
from engine.run import events as ev
from engine.run.commands import (
    Command,
    InjectTemplate,
    MakeEdit,
    Pause,
    Resume,
    StepOnce,
    Stop,
    WriteNote,
)
from engine.run.edits import SetOption
from engine.run.event_record import EventRecord
from engine.session.local import LocalSession
from engine.storage.journal import read_journal, read_state
from engine.storage.lock import read_owner
from engine.storage.run_folder import SOCKET
from glov_tui.cockpit.panes.result_card import card_lines
from glov_tui.commands.arguments import Action
from glov_tui.commands.ctl import control
from glov_tui.commands.ctl_asked import Asking
from glov_tui.common.glyphs import UNICODE
from tests.support.command import called, started
from tests.support.patience import CEILING_SECONDS, wait_until
from tests.support.screens import served
from tests.support.small_runs import demo, drive
from tests.support.written_runs import write_run

MINE = "a blurry photo of a <category> of mine."
ASKING = Asking(author="a script", reason="to see", seconds=CEILING_SECONDS)


@pytest.fixture
def session(tmp_path: Path, kept: Kept) -> Iterator[LocalSession]:
    """A run whose steps have begun, and nobody is at it."""
    with served(tmp_path / "run", kept, None, "steps=12") as session:
        session.start()
        wait_until(lambda: session.state.step > 0)
        yield session


class Script:
    """Calls of one run, and the documents that each printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, action: Action, *values: str, asking: Asking = ASKING) -> list[Any]:
        self._capsys.readouterr()
        self.code = control(str(self.folder), action, values, asking)
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]

    def one(self, action: Action, *values: str, asking: Asking = ASKING) -> Any:
        (document,) = self(action, *values, asking=asking)
        return document


@pytest.fixture
def script(session: LocalSession, capsys: pytest.CaptureFixture[str]) -> Script:
    return Script(session.folder, capsys)


def test_a_script_pauses_injects_edits_steps_and_goes_on(session, script) -> None:
    paused = script.one(Action.PAUSE)
    assert paused["done"] and paused["status"] == session.state.status == "paused"

    injected = script.one(Action.INJECT, MINE)
    template = wait_until(lambda: session.state.find(normalise(MINE)))
    rank = session.state.ranking.index(template) + 1
    assert injected["template"] == {
        "template": MINE, "train_accuracy": template.accuracy, "rank": rank
    }  # fmt: skip

    made = script.one(Action.ALPHA, "0.5")
    assert made["done"], made
    assert made["edit"] == {
        "number": 1,
        "edit": "steering.alpha = 0.5",
        "from_step": session.state.next_step,
        "author": "a script",
        "reason": "to see",
    }
    steps = session.state.steps_done
    stepped = script(Action.STEP, "2")
    assert [one["steps_done"] for one in stepped] == [steps + 1, steps + 2]
    assert session.state.config.steering.alpha == 0.5
    assert script.one(Action.RESUME)["status"] != "paused"
    assert session.wait(CEILING_SECONDS)

    facts = read_journal(session.folder).events
    asked = [f for f in facts if isinstance(f, ev.Edited | ev.TemplateInjected)]
    assert [(f.author, f.reason) for f in asked] == [("a script", "to see")] * 2
    log = [line.text for line in session.state.log]
    assert f"injected, by a script, because: to see: {MINE}" in log
    assert any(text.endswith(", by a script, because: to see") for text in log)


def test_what_the_run_refuses_is_said_and_is_exit_code_1(session, script) -> None:
    script(Action.PAUSE)
    wrong = script.one(Action.EDIT, "steps=5")
    assert script.code == 1 and not wrong["done"] and "can't change during a run" in wrong["why"]
    refused = script.one(Action.INJECT, "no placeholder")
    assert script.code == 1 and "lacks the placeholder" in refused["why"]
    assert "nothing to undo" in script.one(Action.UNDO)["why"]
    assert session.state.edits == ()
    typo = script.one(Action.EDIT, "steering.alpa=1")
    assert "did you mean steering.alpha?" in typo["why"]


def test_templates_are_named_by_text_or_rank(session, script) -> None:
    script(Action.PAUSE)
    script(Action.INJECT, MINE)
    best = wait_until(lambda: session.state.find(normalise(MINE)) and session.state.best)
    for call in ((Action.PIN, "#1"), (Action.BAN, f" {MINE} "), (Action.ANCHORS, "#1", "#2")):
        answer = script.one(*call)
        assert answer["done"], answer
    told = [edited.edit.describe() for edited in session.state.pending]
    assert told[0] == f"pinned: {best.key}" and told[1].startswith("banned: ")
    assert told[2].startswith(f"P+ chosen: {best.key}; P- chosen: ")
    with pytest.raises(UserError, match=r"there is no rank '#9999': #1 to #\d+ are there"):
        script(Action.PIN, "#9999")
    script(Action.UNDO)
    assert len(session.state.pending) == 2


@pytest.mark.parametrize(
    "action, values, told, takes_effect",
    [
        (
            Action.EDIT,
            ("sampling.temperature=0.7", "proposal.task=say more"),
            ("sampling.temperature = 0.7", "proposal.task rewritten"),
            lambda c: (c.sampling.temperature, c.proposal.task) == (0.7, "say more"),
        ),
        (
            Action.EDIT,
            ("proposal.reply_prefix=a drawing of",),
            ("proposal.reply_prefix = a drawing of",),
            lambda c: c.proposal.reply_prefix == "a drawing of",
        ),
        (
            Action.LAYER,
            ("2", "4"),
            ("steering.layers = [2, 4]",),
            lambda c: c.steering.layers == (2, 4),
        ),
        (
            Action.LAYER,
            ("auto",),
            ("steering.layers = auto",),
            lambda c: c.steering.layers == "auto",
        ),
        (
            Action.ALPHA,
            ("-0.25",),
            ("steering.alpha = -0.25",),
            lambda c: c.steering.alpha == -0.25,
        ),
    ],
)
def test_an_edit_is_made_journaled_and_takes_effect(
    session, script, action, values, told, takes_effect
) -> None:
    script(Action.PAUSE)
    answers = script(action, *values)
    assert script.code == 0 and all(one["done"] for one in answers), answers
    assert tuple(one["edit"]["edit"] for one in answers) == told
    facts = [f for f in read_journal(session.folder).events if isinstance(f, ev.Edited)]
    assert tuple(fact.edit.describe() for fact in facts) == told
    assert {(fact.author, fact.reason) for fact in facts} == {("a script", "to see")}
    assert takes_effect(session.state.with_pending().config)


def test_what_was_held_is_let_go(session, script) -> None:
    script(Action.PAUSE)
    script(Action.INJECT, MINE)
    for hold, let_go, held in (
        (Action.PIN, Action.UNPIN, "pinned"),
        (Action.BAN, Action.ALLOW, "banned"),
    ):
        assert script.one(hold, MINE)["done"]
        assert normalise(MINE) in getattr(session.state.with_pending(), held)
        assert script.one(let_go, MINE)["done"]
        assert normalise(MINE) not in getattr(session.state.with_pending(), held)
    assert script.one(Action.ANCHORS, "#1", "#2")["done"]
    assert session.state.with_pending().anchors_held
    handed_back = script.one(Action.ANCHORS, "auto")
    assert handed_back["done"] and handed_back["edit"]["author"] == "a script"
    assert not session.state.with_pending().anchors_held


def test_a_stop_ends_the_run_for_whoever_asks(session, script) -> None:
    stopped = script.one(Action.STOP)
    assert script.code == 0 and stopped["done"] and stopped["status"] == "stopped"
    assert session.state.status == "stopped"


def given(monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> None:
    """Put that on standard input."""
    data = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_commands_come_as_json_lines_and_a_wrong_line_sends_none(
    session, script, monkeypatch
) -> None:
    edit = {"kind": "set-option", "key": "sampling.temperature", "value": 0.7}
    lines = [{"kind": "pause"}, {"kind": "make-edit", "edit": edit, "author": "me"}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    given(monkeypatch, text + '\n{"kind": "jump"}\n')
    with pytest.raises(UserError, match=r"line 4 of standard input is no command"):
        script(Action.SEND)
    assert session.state.status != "paused" and not session.state.edits
    given(monkeypatch, "\ufeff" + text)  # with the mark that some editors put there
    answers = script(Action.SEND)
    assert [answer["command"] for answer in answers] == ["pause", "make-edit"]
    assert answers[1]["edit"]["author"] == "me"  # what the line says goes first
    assert answers[1]["edit"]["reason"] == "to see"


def test_a_template_that_comes_before_the_models_waits_for_them(tmp_path, kept, capsys) -> None:
    with served(tmp_path / "run", kept, None, "steps=1") as session:
        session.send(Pause())
        session.start()
        wait_until(lambda: session.state.status == "paused")
        script = Script(session.folder, capsys)
        answer = script.one(Action.INJECT, MINE)
        assert answer["done"] and answer["waits"] == MINE and "template" not in answer
        assert script.one(Action.RESUME)["done"]
        wait_until(lambda: session.state.find(normalise(MINE)))


def test_a_screen_that_has_the_controls_keeps_them_unless_they_are_taken(session, script) -> None:
    screen = RemoteSession.attach(session.folder, "pts/7")
    refused = script.one(Action.PAUSE)
    assert script.code == 1 and refused["why"] == (
        "pause: pts/7 has the controls; --take takes them for a moment"
    )
    taking = Asking(takes=True, seconds=CEILING_SECONDS)
    assert script.one(Action.PAUSE, asking=taking)["status"] == "paused"
    wait_until(lambda: screen.controls.holder == screen.number)  # it has them back
    status = script.one(Action.STATUS)
    assert status["screens"] == {"names": ["pts/7"], "controls": "pts/7"}
    screen.close()


def test_a_command_that_takes_too_long_is_said_to(session, script) -> None:
    script(Action.PAUSE)
    never = Asking(seconds=0.0)
    answer = script.one(Action.STEP, asking=never)
    assert script.code == 1 and "not done after 0 s" in answer["why"]


def test_watch_gives_each_fact_once_to_the_end(session, script) -> None:
    script(Action.PAUSE)
    before = len(read_journal(session.folder).events)
    going_on = threading.Thread(
        target=lambda: (
            wait_until(lambda: len(_screens(session.folder)) > 1),
            script_resume(session.folder),
        )
    )
    going_on.start()
    facts = script(Action.WATCH, asking=Asking(whole=True))
    going_on.join(CEILING_SECONDS)
    assert script.code == 0
    written = [e.model_dump(mode="json") for e in read_journal(session.folder).events]
    assert len(written) > before and facts == written
    assert facts[-1]["kind"] == "run-finished"


def _screens(folder: Path) -> tuple[object, ...]:
    watching = RemoteSession.attach(folder, "counts")
    try:
        return watching.controls.screens
    finally:
        watching.close()


def script_resume(folder: Path) -> None:
    taking = RemoteSession.attach(folder, "goes on")

    taking.send(TakeControls())
    taking.send(Resume())
    taking.wait(CEILING_SECONDS)


def test_an_ended_run_has_a_status_and_its_facts_and_takes_no_command(tmp_path, capsys) -> None:
    script = Script(write_run(tmp_path / "old"), capsys)
    status = script.one(Action.STATUS)
    assert status["status"] == "finished" and status["screens"] is None
    assert status["folder"] == str(script.folder)
    facts = script(Action.WATCH, asking=Asking(whole=True))
    assert [fact["kind"] for fact in facts][:1] == ["run-started"]
    for action in (Action.WATCH, Action.PAUSE):
        with pytest.raises(UserError, match="finished|no engine is at work"):
            script(action)


def test_an_interrupted_run_is_so_wherever_it_is_said(tmp_path, capsys) -> None:
    script = Script(write_run(tmp_path / "cut", finished=False), capsys)
    status = script.one(Action.STATUS)
    exported = json.loads(as_json.write(read_exported(script.folder)))
    (listed,) = json.loads(called("runs", str(script.folder), "--json").stdout)
    said = [status["status"], status["result"]["status"], exported["status"], listed["status"]]
    assert said == ["interrupted"] * 4
    card = card_lines(read_state(script.folder), script.folder, UNICODE, cut_off=True)
    assert card[0][0][0] == "■ interrupted  "


def test_notes_are_written_while_another_screen_drives(session, script) -> None:
    with contextlib.closing(RemoteSession.attach(session.folder, "a person")) as person:
        wait_until(lambda: person.controls is not None and person.controls.holder == person.number)
        made = script.one(Action.NOTE, "run", "as one\nwaits")
        assert script.code == 0 and made["done"]
        assert made["note"] == {
            "number": 1, "on": "run", "text": "as one\nwaits", "author": "a script"
        }  # fmt: skip
        wait_until(lambda: person.state.notes)
        assert person.controls.holder == person.number
    assert script.one(Action.STATUS)["notes"] == [made["note"]]


def test_notes_on_an_ended_run_are_written_changed_and_taken_away(tmp_path, capsys) -> None:
    script = Script(write_run(tmp_path / "old"), capsys)
    made = script.one(Action.NOTE, "#1", "the best")
    assert made["done"] and made["status"] == "finished"
    assert made["note"]["on"] == "template 2 of <category>"
    script.one(Action.NOTE, "step=1", "slow")
    assert script.one(Action.NOTE, "note=2", "quick")["note"]["on"] == "step 1"
    script.one(Action.NOTE, "note=1", "")
    assert [note["text"] for note in script.one(Action.STATUS)["notes"]] == ["quick"]
    refused = script.one(Action.NOTE, "step=9", "x")
    assert script.code == 1 and "there is no step 9 yet" in refused["why"]


@pytest.mark.parametrize(
    "call, why",
    [
        (("note", "no template of mine", "x"), "no template of this text was scored"),
        (("note", "x"), "note takes what it is on"),
        (("note", "step=two", "x"), "step= takes a number"),
        (("note", "run", "x" * 9000), "at most 8000 characters"),
        (("pause", "now"), "pause takes nothing more; got 'now'"),
        (("step", "0"), "step takes a number of steps, 1 or more; got '0'"),
        (("edit",), "edit takes KEY.PATH=VALUE ..."),
        (("alpha", "1", "2"), "alpha takes one number"),
        (("anchors", "#1"), "anchors takes two templates"),
        (("prompt",), "prompt takes one file"),
        (("edit", "alpha"), "edit 'alpha': write KEY.PATH=VALUE"),
        (("edit", "=3"), "edit '=3': write KEY.PATH=VALUE"),
        (("edit", "steering..alpha=3"), "edit 'steering..alpha=3': write KEY.PATH=VALUE"),
        (("step", "9" * 30), "step takes a number of steps, 1 or more; got '9999"),
        (("pin", "#" + "9" * 5000), "there is no rank '#9999999999999999999': #1 to #"),
        (("inject", " "), "inject takes TEMPLATE ..., or - for lines of standard input"),
        (("inject", "a \udcff <category>."), r"inject 'a \xff <category>.': that is no UTF-8"),
    ],
)
def test_a_wrong_call_says_what_is_right(session, script, call, why) -> None:
    action, *values = call
    with pytest.raises(UserError) as raised:
        script(Action(action), *values)
    assert why in str(raised.value)


def test_a_process_is_told_by_its_exit_code(tmp_path: Path, kept: Kept) -> None:
    folder = tmp_path / "run"
    drive(LocalSession.create(demo("steps=0"), folder, kept=kept))
    done = called("ctl", str(folder), "pause")
    assert done.returncode == 2 and "is finished" in done.stderr and not done.stdout
    done = called("ctl", str(folder), "status")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "finished"
    done = called("ctl", str(folder), "jump")
    assert done.returncode == 2 and "jump" in done.stderr


@pytest.mark.parametrize(
    "asking, why",
    [
        (Asking(author="x" * 81), "--author: should have at most 80 characters; it has 81"),
        (Asking(reason="x" * 100_000), "--reason: should have at most 1000 characters; it has 100"),
        (Asking(author="a\udcff"), "--author: is no UTF-8"),
    ],
)
def test_who_asks_and_why_is_looked_at_before_anything_is_sent(tmp_path, asking, why) -> None:
    with pytest.raises(UserError, match=why):
        control(str(tmp_path), Action.PAUSE, (), asking)


@pytest.mark.parametrize(
    "data, why",
    [
        (b'{"kind": "pause"}\n\xff', "line 2 has the byte 0xFF, which is no UTF-8"),
        (b" " * 2_000_000, "standard input can't be read: it is longer than 1,024 KiB"),
        (b'{"kind": "make-edit"}', r"\(edit: is missing\)"),
        (b" \n\n", "standard input holds no command"),
        (b'{"kind": "pause", "more": 1}', r"\(more: is not known here\)"),
    ],
)
def test_standard_input_that_holds_no_commands_is_told_from_where(
    session, script, monkeypatch, data, why
) -> None:
    given(monkeypatch, data)
    with pytest.raises(UserError, match=why):
        script(Action.SEND)


def test_what_is_too_long_for_the_socket_is_refused_at_once(session, script, monkeypatch) -> None:
    given(monkeypatch, "word " * 100_000)
    answer = script.one(Action.PROMPT, "-", asking=Asking(seconds=None))  # as long as it takes
    assert script.code == 1
    assert answer["why"] == "make-edit: 500,109 bytes, and 262,144 can be sent"


def test_a_stop_that_is_sent_arrives_and_is_waited_for(session, script, monkeypatch) -> None:
    given(monkeypatch, '{"kind": "stop"}' + '\n{"kind": "pause"}' * 5)
    stopped, *others = script(Action.SEND)
    assert stopped["done"] and stopped["status"] == "stopped"
    assert [(one["done"], one["why"]) for one in others] == [(False, "pause: the run is stopped")]
    assert session.state.status == "stopped"


def test_an_experiment_is_waited_for_and_its_problem_is_said(session, script, monkeypatch) -> None:
    lens = '{"kind": "run-experiment", "experiment": {"kind": "read-lens"}}'
    given(monkeypatch, f'{lens}\n{{"kind": "end-experiment"}}')
    tried, ended = script(Action.SEND)
    assert script.code == 1 and "the lab works while the run is paused" in tried["why"]
    assert ended["done"]
    wait_until(lambda: session.state.anchors)
    given(monkeypatch, f'{{"kind": "pause"}}\n{lens}')
    assert [answer["done"] for answer in script(Action.SEND)] == [True, True]
    assert session.state.experiment.lens and not session.state.experiment.running


def test_steps_that_a_run_has_no_room_for_are_said_once(session, script) -> None:
    answers = script(Action.STEP, "1000000")
    assert script.code == 1 and not answers[-1]["done"] and "finished" in answers[-1]["why"]
    assert all(answer["done"] for answer in answers[:-1]) and len(answers) <= 13


@pytest.mark.parametrize("command", [Resume(), StepOnce(), Stop()])
def test_a_run_whose_engine_is_killed_has_not_done_it(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "run"
    begun = called("demo", "--run-dir", str(folder), "--set", "steps=500", "--detach")
    assert begun.returncode == 0, begun.stderr
    owner = wait_until(lambda: read_owner(folder))
    try:
        with Driver(folder, "a script", seconds=None) as driver:
            driver.do(Pause())
            os.kill(owner.pid, signal.SIGSTOP)  # it hears it, and does nothing more
            killing = threading.Timer(0.2, os.kill, (owner.pid, signal.SIGKILL))
            killing.start()
            with pytest.raises(NotDone, match="ended without a word"):
                driver.do(command)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGKILL)


def test_a_template_is_measured_on_the_test_split_for_whoever_asks(
    script: Script, session: LocalSession
) -> None:
    script(Action.PAUSE)
    document = script.one(Action.INJECT, MINE)
    assert document["done"], document
    found = script.one(Action.TEST, MINE)
    assert found["done"] and found["test"]["template"] == MINE, found
    test = found["test"]
    assert test["test_accuracy"] == test["hits"] / test["test_images"]
    assert script.code == 0 and found["status"] == "paused"  # in the pause, at once
    (told,) = script.one(Action.STATUS)["result"]["asked_tests"]
    assert (told["template"], told["author"]) == (MINE, "a script")
    assert told["test_accuracy"] == test["test_accuracy"]
    again = script.one(Action.TEST, MINE)
    assert script.code == 1 and "its test accuracy is known" in again["why"]
    assert not script.one(Action.TEST, "off")["done"]  # none waits
    edit = script.one(Action.TEST, "every", "3")
    assert edit["edit"]["edit"] == "evaluation.best_every = 3"
    for wrong in ((), ("every",), ("every", "x"), ("every", "3", "4"), ("#999",)):
        with pytest.raises(UserError):
            script(Action.TEST, *wrong)
    measured = [e for e in read_journal(session.folder).events if isinstance(e, ev.TestMeasured)]
    assert [e.author for e in measured if e.subject == "asked"] == ["a script"]


def test_who_only_watches_keeps_the_controls_from_nobody(session, script) -> None:
    script(Action.PAUSE)
    with Driver(session.folder, "a watch", seconds=None, watches=True) as watching:
        assert watching.session.controls.holder is None
        stepped = script.one(Action.STEP)
        assert stepped["done"], stepped
        kinds = []
        while "step-finished" not in kinds:
            kinds.append(watching.next_news().kind)
        assert script.one(Action.STATUS)["screens"] == {"names": ["a watch"], "controls": None}
        watching.session.send(TakeControls())  # it can't, and loses nothing
        assert script.one(Action.RESUME)["done"]


def test_a_script_waits_for_another_one_and_is_told_of_its_own_command(session, script) -> None:
    script(Action.PAUSE)
    with Driver(session.folder, "another script") as first:
        answers: list[Any] = []
        second = threading.Thread(target=lambda: answers.append(script.one(Action.ALPHA, "0.75")))
        second.start()
        wait_until(lambda: len(_screens(session.folder)) > 2)
        edit = SetOption(key="steering.alpha", value=0.25)
        made = first.do(MakeEdit(edit=edit))
        assert made.edit == edit and not answers
    second.join(CEILING_SECONDS)
    assert answers[0]["done"] and answers[0]["edit"]["edit"] == "steering.alpha = 0.75"


def test_what_was_not_waited_for_is_no_answer_to_the_next_command(session, script) -> None:
    """Edits that are made late, with another one's author or value, between two commands."""
    script(Action.PAUSE)
    with Driver(session.folder, "a script") as driver:
        for key in ("top_k", "top_p"):
            session.send(MakeEdit(edit=SetOption(key=f"sampling.{key}", value=1), author="late"))
        session.send(InjectTemplate(text="a late photo of a <category>.", author="late"))
        session.send(WriteNote(text="late"))
        made = driver.do(MakeEdit(edit=SetOption(key="sampling.top_k", value=1), author="me"))
        assert made.author == "me"
        assert driver.do(InjectTemplate(text=f'"{MINE}"', author="me")).template == MINE
        assert driver.do(WriteNote(text=" mine ")).text == "mine"


@pytest.mark.parametrize("ends", [Stop(), Resume()])
def test_a_note_of_the_last_moment_is_written_whoever_is_there_to_do_it(
    tmp_path: Path, kept: Kept, capsys: pytest.CaptureFixture[str], ends: Command
) -> None:
    """The engine has obeyed its last command when the note comes to it."""
    with served(tmp_path / "run", kept, None, "steps=1") as session:
        session.send(Pause())
        session.start()
        wait_until(lambda: session.state.status == "paused")
        deaf = Driver(session.folder, "a script", CEILING_SECONDS, watches=True)
        obey = session._obeyer.put
        session._obeyer.put = lambda command: None  # it comes after the last look
        sent = threading.Timer(0.0, lambda: notes.append(deaf.do(WriteNote(text="at the end"))))
        notes: list[ev.Noted] = []
        sent.start()
        wait_until(lambda: deaf.session._sent_notes._sent)
        obey(ends)
        sent.join(CEILING_SECONDS)
    assert [note.text for note in notes] == ["at the end"]
    written = [e for e in read_journal(session.folder).events if isinstance(e, ev.Noted)]
    assert written == notes
    assert [note.text for note in deaf.state.notes] == ["at the end"]


def test_a_number_below_0_is_no_option_and_an_option_no_value(tmp_path: Path) -> None:
    folder = str(write_run(tmp_path / "old"))
    for number in ("-0.5", "-.5", "-1e3"):
        done = called("ctl", folder, "alpha", number, "--author", "me")
        assert done.returncode == 2 and "is finished" in done.stderr, done.stderr
    done = called("ctl", folder, "alpha", "-0.5", "--autor", "me")
    assert done.returncode == 2 and "No such option: --autor" in done.stderr
    done = called("ctl", folder, "alpha", "-x")
    assert done.returncode == 2 and "No such option: -x" in done.stderr


def test_who_has_read_enough_of_a_watch_ends_it_well(tmp_path: Path) -> None:
    """As ``watch --from-start | head -1`` with the shell's pipefail."""
    folder = write_run(tmp_path / "old")
    reading, writing = os.pipe()
    with (tmp_path / "errors").open("wb") as errors:
        os.close(reading)
        arguments = ("ctl", str(folder), "watch", "--from-start")
        process = started(*arguments, cwd=tmp_path, output=writing, errors=errors.fileno())
    os.close(writing)
    assert process.wait() == 0
    assert not (tmp_path / "errors").read_text()


def test_who_reads_slowly_is_given_every_fact_and_keeps_few(
    session: LocalSession, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends meanwhile, and its engine waits for nobody."""
    monkeypatch.setattr("engine.remote.driver.MOST_WAITING", 3)
    script(Action.PAUSE)
    with Driver(session.folder, "slow", seconds=None, whole=True, watches=True) as slow:
        first = slow.next_news()
        waiting = slow._news.qsize()  # what was there when it came
        session.send(Resume())
        wait_until(lambda: session.state.status == "finished")
        wait_until(lambda: not os.path.lexists(session.folder / SOCKET))
        assert slow._news.qsize() <= max(3, waiting)
        news = [first]
        while (one := slow.next_news()) is not None:
            news.append(one)
    facts = [one for one in news if isinstance(one, EventRecord) and one.is_fact]
    assert facts == list(read_journal(session.folder).events)


def test_a_script_that_says_no_name_is_not_taken_for_a_person(session, script) -> None:
    """Who edits at a screen is journaled without a name."""
    script(Action.PAUSE)
    unnamed = Asking(seconds=CEILING_SECONDS)
    assert script.one(Action.ALPHA, "0.5", asking=unnamed)["edit"]["author"] == "glov ctl"
    script.one(Action.INJECT, MINE, asking=unnamed)
    injected = [e for e in read_journal(session.folder).events if e.kind == "template-injected"]
    assert [e.author for e in injected] == ["glov ctl"]


def test_a_run_whose_engine_can_not_be_asked_has_a_status(
    session: LocalSession,
    script: Script,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As another user's, whose journal may be read."""
    monkeypatch.setattr(address, "BEGINS_SECONDS", 0.1)
    script(Action.PAUSE)
    (session.folder / SOCKET).unlink()
    code = control(str(session.folder), Action.STATUS, (), ASKING)
    said = capsys.readouterr()
    status = json.loads(said.out)
    assert code == 0 and status["status"] == "paused" and status["screens"] is None
    assert "this is what its journal says" in said.err
    with pytest.raises(UserError, match="can't be attached to"):
        script(Action.PAUSE)

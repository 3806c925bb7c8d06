"""The cockpit in a real terminal, on the real optimiser and the shipped models."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run import events as ev
from engine.run.edits import Edit, SetOption
from engine.storage.journal import read_journal
from engine.storage.lock import read_owner
from tests.support.command import called, demo, demo_arguments, glov, stop_and_quit
from tests.support.terminal import Terminal
from tests.support.written_runs import write_run


def test_a_replay_plays_to_the_end_and_leaves_the_terminal_as_it_was(run_folder: Path) -> None:
    write_run(run_folder, curve=(40, 60, 50))
    command = glov("replay", str(run_folder), "--speed", "max")
    with Terminal(command, columns=80, rows=24) as terminal:
        terminal.wait_for("replay", "step 3 of 3", "max", "holds")
        terminal.press("left")
        terminal.wait_for("templates: 4")
        terminal.press("home")
        terminal.wait_for("step 0 of 3", "templates: 1")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert not terminal.alternate_screen and terminal.cursor_shown
        assert terminal.attributes == terminal.attributes_before
    assert sorted(p.name for p in run_folder.iterdir()) == ["config.toml", "events.jsonl"]


def test_pause_edit_inject_steer_resume_and_find_it_all_in_the_journal(run_folder: Path) -> None:
    # As users start it, with an engine that loads for long enough to be seen at it.
    with Terminal(demo(run_folder, "steps=16", fresh=True), columns=120, rows=40) as terminal:
        terminal.wait_for("loading")
        terminal.wait_for("candidates: step")
        terminal.press("space")
        terminal.wait_for("paused")
        terminal.press("e")
        terminal.wait_for("edit the meta-prompt")
        terminal.send("\x1b[17~")  # F6: the task
        terminal.wait_for("find the template")
        terminal.wait_gone("whose sentence fits it best")
        terminal.send("SAY MORE. ")
        terminal.wait_for("SAY MORE.")
        terminal.press("ctrl+s")
        terminal.wait_gone("edit the meta-prompt")
        terminal.press("i")
        terminal.wait_for("inject templates")
        terminal.send("one <category> of my own.")
        terminal.wait_for("Can be scored.")
        terminal.press("enter")
        terminal.wait_for("injected:")
        terminal.press("+")
        terminal.wait_for("alpha 0.75")
        terminal.press("space")
        terminal.wait_for("finished")
        terminal.wait_for("─ result ─", "esc close", "test (95 %)", "a report", "glov export")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert not terminal.alternate_screen and terminal.cursor_shown
        assert terminal.attributes == terminal.attributes_before
        assert "test (95 %)" in terminal.text
    events = read_journal(run_folder).events
    kinds = [e.kind for e in events]
    assert kinds.index("run-paused") < kinds.index("edited") < kinds.index("run-resumed")
    edits = {e.edit.key: e.edit.value for e in events if isinstance(e, ev.Edited)}
    assert "SAY MORE." in edits["proposal.task"]
    assert edits["steering.alpha"] == 0.75
    scored = [e for e in events if isinstance(e, ev.TemplateScored) and e.origin == "human"]
    assert [e.template for e in scored] == ["one <category> of my own."]
    held = next(e.step for e in events if isinstance(e, ev.Edited))
    for event in events:
        if isinstance(event, ev.MetaPromptComposed):
            said = "SAY MORE." in event.messages[-1]["content"]
            assert said == (event.step >= held)
        if isinstance(event, ev.SteeringPrepared):
            assert event.alpha == (0.75 if event.step >= held else 0.5)


def test_the_lab_in_the_middle_of_a_run_and_its_choice_in_the_journal(run_folder: Path) -> None:
    command = demo(run_folder, "steps=16", "steering.alphas=[0.5,4]")
    with Terminal(command, columns=120, rows=40) as terminal:
        terminal.wait_until(  # with P+ and P-
            lambda: re.search(r"step [2-6]/16", terminal.text), "a step"
        )
        terminal.press("space")
        terminal.wait_for("paused")
        terminal.press("t")
        terminal.wait_for("steering lab")
        terminal.press("enter")
        terminal.wait_for("Compare done")
        assert "right: last-token, layer 3, alpha 0.5" in terminal.text
        terminal.press("2")
        terminal.wait_for("Each layer with each alpha")
        _, grounds = terminal.colours
        terminal.press("enter")
        terminal.wait_for("Grid done", "shaded by KL", "fluency -")
        assert len(terminal.colours[1] - grounds) > 1, "the map of layers by alphas has no shades"
        terminal.press("1")
        terminal.wait_for("right: last-token, layer 3, alpha 0.5")
        terminal.press("+", "a")
        terminal.wait_for("alpha 0.75")
        terminal.press("escape")
        terminal.wait_gone("steering lab")
        terminal.press("space")
        terminal.wait_for("finished")
        terminal.press("q")
        assert terminal.wait_exit() == 0
    events = read_journal(run_folder).events
    edits = [e.edit for e in events if isinstance(e, ev.Edited)]
    assert SetOption(key="steering.alpha", value=0.75) in edits
    last = [e for e in events if isinstance(e, ev.SteeringPrepared)][-1]
    assert last.alpha == 0.75
    measured = [e for e in events if isinstance(e, ev.SteeringMeasured)]
    assert measured and all(e.kl > 0 for e in measured)


def test_killed_in_the_middle_and_resumed_on_the_screen(run_folder: Path) -> None:
    with Terminal(demo(run_folder, "steps=16"), columns=80, rows=24) as terminal:
        terminal.wait_until(  # any step: a busy machine shows us no particular one
            lambda: re.search(r"step [1-6]/16", terminal.text), "a step"
        )
        os.kill(read_owner(run_folder).pid, signal.SIGKILL)
        terminal.wait_for("The run was interrupted", "space goes on")
        terminal.press("6", "1")  # what is said is no notice, which a key takes down
        terminal.wait_for("The run was interrupted")
        terminal.press("space")  # a new engine, on the same screen
        terminal.wait_gone("The run was interrupted")
        terminal.wait_for("proposing")
        os.kill(read_owner(run_folder).pid, signal.SIGKILL)
        terminal.wait_for("The run was interrupted", "glov resume")
        terminal.press("q")
        assert terminal.wait_exit() == 1
    begun = [e.kind for e in read_journal(run_folder).events]
    assert "step-started" in begun and "run-finished" not in begun
    with Terminal(glov("resume", str(run_folder)), columns=80, rows=24) as terminal:
        terminal.wait_for("finished")
        terminal.press("q")
        assert terminal.wait_exit() == 0
    assert read_journal(run_folder).events[-1].kind == "run-finished"


def test_sigterm_leaves_the_terminal_sane_and_says_how_to_go_on(run_folder: Path) -> None:
    with Terminal(demo(run_folder, "steps=50"), columns=80, rows=24) as terminal:
        terminal.wait_for("proposing")
        terminal.kill(signal.SIGTERM)
        assert terminal.wait_exit() == 130
        assert not terminal.alternate_screen and terminal.cursor_shown
        assert terminal.attributes == terminal.attributes_before
        assert "glov resume" in terminal.text
    assert read_journal(run_folder).events[-1].kind == "run-stopped"


def test_ctrl_c_twice(run_folder: Path) -> None:
    with Terminal(demo(run_folder, "steps=50"), columns=100, rows=30) as terminal:
        terminal.wait_for("proposing")
        terminal.press("ctrl+c")
        terminal.wait_for("Press ctrl+c again")
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 130
        assert terminal.attributes == terminal.attributes_before


def test_a_plain_terminal_gets_ascii_only_and_no_colour(run_folder: Path) -> None:
    plain = {"LC_ALL": "C", "LANG": "C", "NO_COLOR": "1"}
    (run_folder.parent / "no-model").mkdir()
    arguments = demo(run_folder, f"llm.model={run_folder.parent / 'no-model'}")
    with Terminal(arguments, columns=100, rows=30, env=plain) as terminal:
        terminal.wait_for("The run failed", "no-model")
        assert terminal.text.isascii()
        assert bytes(terminal.raw).isascii()
        terminal.press("q")
        assert terminal.wait_exit() == 1


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, Path]]:
    """A run that is paused on a screen, with an editor: whoever uses it leaves it like that."""
    folder = tmp_path_factory.mktemp("held")
    editor = folder / "editor"
    editor.write_text('#!/bin/sh\ntest -t 0 && test -t 1 && echo "FROM EDITOR" > "$1"\n')
    editor.chmod(0o755)
    environment = {"EDITOR": str(editor), "VISUAL": None}
    arguments = demo(folder / "run", "steps=60")
    with Terminal(arguments, columns=120, rows=40, env=environment) as terminal:
        terminal.wait_for("candidates: step")
        terminal.press("space")
        terminal.wait_for("paused")
        yield terminal, folder / "run"
        stop_and_quit(terminal)


def test_editing_in_the_users_own_editor(held: tuple[Terminal, Path]) -> None:
    terminal, folder = held
    terminal.press("e")
    terminal.wait_for("edit the meta-prompt")
    terminal.send("\x1bOS")  # F4
    terminal.wait_for("FROM EDITOR")
    terminal.press("ctrl+s")
    terminal.wait_for("edit from step")

    def edits() -> list[Edit]:
        return [e.edit for e in read_journal(folder).events if isinstance(e, ev.Edited)]

    terminal.wait_until(edits, "the edit in the journal")
    assert edits() == [SetOption(key="proposal.system_prompt", value="FROM EDITOR")]


def test_without_a_terminal_it_runs_headless_and_says_so(run_folder: Path) -> None:
    done = called(*demo_arguments(run_folder, "steps=1"))
    assert done.returncode == 0
    assert "no terminal here" in done.stderr and "test (95 %)" in done.stdout


def test_ctrl_z_gives_the_shell_back_and_fg_the_whole_screen(run_folder: Path) -> None:
    write_run(run_folder, curve=(40, 60, 50))
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Terminal(shell, columns=80, rows=24) as terminal:
        terminal.send(shlex.join(glov("replay", str(run_folder), "--speed", "max")) + "\r")
        terminal.wait_for("holds", "templates: 4")
        terminal.press("ctrl+z")
        terminal.wait_for("Stopped")
        assert not terminal.alternate_screen and terminal.cursor_shown
        terminal.send("fg\r")
        terminal.wait_until(lambda: terminal.alternate_screen, "the cockpit again")
        terminal.wait_for("holds", "templates: 4", "step 3 of 3")

        def goes_to_the_beginning() -> bool:  # a key that comes too early is the shell's
            terminal.press("home")
            return "step 0 of 3" in terminal.text

        terminal.wait_until(goes_to_the_beginning, "that keys are read again")
        terminal.press("q")

        def is_at_prompt() -> bool:  # before, what is typed is thrown away with glov's
            prompt = terminal.text.rstrip().endswith(("$", "#"))
            return prompt and not terminal.alternate_screen

        terminal.wait_until(is_at_prompt, "the shell")
        terminal.send("exit\r")
        assert terminal.wait_exit() == 0


def test_keys_in_one_read_leave_a_dialog_once(held: tuple[Terminal, Path]) -> None:
    terminal, folder = held
    terminal.press("i")
    terminal.wait_for("inject templates")
    terminal.send("a tiny <category>")
    terminal.wait_for("Can be scored.")
    terminal.send("\r\r")  # a bunched line, or a paste: the second opens the details
    terminal.wait_gone("inject templates")
    terminal.wait_until(
        lambda: "injected:" in terminal.text or "few-shot accuracy" in terminal.text, "either"
    )
    if "few-shot accuracy" in terminal.text:
        terminal.press("enter")  # closes them
        terminal.wait_gone("few-shot accuracy")
    terminal.wait_for("injected:")
    injected = [e for e in read_journal(folder).events if isinstance(e, ev.TemplateScored)]
    assert [e.template for e in injected if e.origin == "human"] == ["a tiny <category>"]

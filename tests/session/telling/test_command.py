"""The user's program: what it is given, and that nothing it does matters to the run."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from engine.session.telling.command import facts_of, run_command
from tests.support.notified import HOSTILE, news


def script(tmp_path: Path, code: str) -> tuple[str, ...]:
    path = tmp_path / "told.py"
    path.write_text(code)
    return (sys.executable, str(path), str(tmp_path / "said.json"))


TELLS = """
import json, os, sys
facts = {k: v for k, v in os.environ.items() if k.startswith("GLOV_NEWS_")}
with open(sys.argv[1], "w") as file:
    json.dump({"facts": facts, "input": json.load(sys.stdin), "in": os.getcwd()}, file)
"""


def test_it_has_the_facts_in_its_environment_and_on_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    folder = tmp_path / "run"
    folder.mkdir()
    assert run_command(script(tmp_path, TELLS), news(), folder, 60.0) is None
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["input"] == news().model_dump()
    assert said["facts"]["GLOV_NEWS_EVENT"] == "new-best"
    assert said["facts"]["GLOV_NEWS_BEST_TEMPLATE"] == HOSTILE, "text, and never a shell's"
    assert said["facts"]["GLOV_NEWS_FOLDER"] == str(folder)
    assert "GLOV_NEWS_TEST_ACCURACY" not in said["facts"]
    assert said["in"] == str(home), "not in a folder that may be somebody else's"


def test_the_folder_is_whole_as_it_runs_elsewhere(tmp_path: Path) -> None:
    assert facts_of(news(), Path("runs/one"))["GLOV_NEWS_FOLDER"] == str(Path.cwd() / "runs/one")


def test_what_it_says_is_told_where_it_fails(tmp_path: Path) -> None:
    code = "import sys; print('no \\x1b[31mtoken\\x07 here'); sys.exit(3)"
    said = run_command(script(tmp_path, code), news(), tmp_path, 60.0)
    assert said is not None and said.splitlines()[0].endswith("failed (exit status 3):")
    assert "token" in said and "\x1b" not in said and "\x07" not in said


def test_what_is_not_there_can_not_be_started(tmp_path: Path) -> None:
    said = run_command((str(tmp_path / "none"),), news(), tmp_path, 60.0)
    assert said == "none can't be started: No such file or directory"


def test_it_is_ended_with_all_it_started_when_its_time_is_over(tmp_path: Path) -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=open(sys.argv[1], "w"), flush=True)
child.wait()
"""
    said = run_command(script(tmp_path, code), news(), tmp_path, 5.0)
    assert said is not None and "longer than 5 s" in said
    written = tmp_path / "said.json"
    if written.exists():  # on a busy machine it may have come to nothing
        pid = int(written.read_text())
        end = time.monotonic() + 60
        while _is_running(pid):
            assert time.monotonic() < end
            time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


def test_what_can_not_run_says_what_it_needs(tmp_path: Path) -> None:
    program = tmp_path / "tell"
    program.write_text("echo no first line\n")
    said = run_command((str(program),), news(), tmp_path, 60.0)
    assert said == "tell can't be started: Permission denied (`chmod +x` makes a file a program)"
    program.chmod(0o755)
    said = run_command((str(program),), news(), tmp_path, 60.0)
    assert said is not None and "(a script begins with a line such as #!/bin/sh)" in said


def test_a_shells_script_that_quotes_is_given_words_and_nothing_else(tmp_path: Path) -> None:
    hostile = news("'; touch never; echo \"$(touch never)`touch never`\n\x1b]0;x\x07")
    line = 'printf %s "$GLOV_NEWS_TEXT" > "$0"'
    command = ("sh", "-c", line, str(tmp_path / "said"))
    assert run_command(command, hostile, tmp_path, 60.0, {"PATH": os.environ["PATH"]}) is None
    assert (tmp_path / "said").read_text() == hostile.text
    assert [path.name for path in tmp_path.iterdir()] == ["said"]


def test_one_that_prints_without_end_fills_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.session.telling.command.MOST_OUTPUT", 10_000)
    held = tmp_path / "held.txt"
    code = f"""
import os, time
for _ in range(40):
    os.write(1, b"x" * 9_000)
    time.sleep(0.05)
open({str(held)!r}, "w").write(str(os.fstat(1).st_size))
os.write(1, b"so it goes")
raise SystemExit(3)
"""
    said = run_command(script(tmp_path, code), news(), tmp_path, 300.0)
    assert said is not None and said.endswith("so it goes") and len(said) < 3000
    assert int(held.read_text()) < 40 * 9_000, "it was let go meanwhile"


def test_one_that_runs_when_glov_ends_is_ended_too(tmp_path: Path) -> None:
    code = """
import os, sys, time
print(os.getpid(), file=open(sys.argv[1], "w"), flush=True)
time.sleep(600)
"""
    written = tmp_path / "said.json"
    said = run_command(
        script(tmp_path, code),
        news(),
        tmp_path,
        600.0,
        is_over=lambda: written.exists() and written.read_text().endswith("\n"),
    )
    assert said is not None and said.endswith("was ended before it was done, as glov ends")
    assert not _is_running(int(written.read_text()))


def test_one_that_reads_nothing_and_stays_in_the_background_holds_up_nothing(
    tmp_path: Path,
) -> None:
    code = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3)"])
"""
    assert run_command(script(tmp_path, code), news("x" * 300), tmp_path, 60.0) is None

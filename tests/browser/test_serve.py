"""`glov serve` in a real browser: the screen, the controls, dropped lines, and how runs end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.storage.journal import is_driven, read_journal, read_state
from engine.storage.lock import read_owner
from tests.support.command import called
from tests.support.patience import wait_until
from tests.support.relay import Relay
from tests.support.served_runs import Browser, Served
from tests.support.written_runs import write_run


def kinds(folder: Path) -> list[str]:
    return [event.kind for event in read_journal(folder).events]


def test_two_pages_watch_a_run_and_one_drives_it(live: Path, chromium: Browser) -> None:
    with Served(live) as served:
        first = chromium.open(served.address)
        assert "token" not in first.page.url
        first.wait_for("templates", "candidates: step", "Pause")
        assert first.notice == ""
        first.press("Space")
        first.wait_for("paused", "Go on")
        assert read_state(live).status == "paused"
        second = chromium.open(first.page.url)  # with the cookie
        second.wait_for("watching", "paused", "Take controls")
        second.press("Space")  # not its to press
        second.press("c")
        second.wait_for("Go on", without="watching")
        first.wait_for("browser page 2 took the controls", "watching")
        assert kinds(live).count("run-resumed") == 0
        second.press("Space")
        first.wait_for("running")
        second.page.close()
        first.wait_for("Pause", without="watching")  # it has the controls again
        first.page.set_viewport_size({"width": 800, "height": 520})
        first.wait_for_pattern(r"(1 meta|1 [a-z-]+  2 )")  # tabs, where not all panes fit
        first.press("q")
        first.wait_for("Detach")
        first.press("d")
        first.wait_for_end("The run goes on.")
        first.page.get_by_role("button").click()
        first.wait_for("Pause")
        assert first.requested | second.requested == {f"127.0.0.1:{served.port}"}
        assert not first.complaints + second.complaints
        code, said = served.end(signal.SIGINT)
        assert code == 130 and "serves it again" in said and "Traceback" not in said
        first.wait_for_notice("No connection")
    assert is_driven(live)


def test_a_page_whose_line_was_cut_comes_back_to_what_it_was_and_shows_the_present(
    live: Path, chromium: Browser
) -> None:
    with Served(live) as served, Relay(served.port) as line:
        page = chromium.open(served.address.replace(str(served.port), str(line.port)))
        page.wait_for("candidates: step", "Pause")
        page.press("i")
        page.wait_for("Inject")
        page.page.keyboard.type("a drawing of")
        page.wait_for("a drawing of")
        line.cut()
        page.wait_for_notice("No connection")
        page.press("x")  # nobody hears it
        done = read_state(live).steps_done
        wait_until(lambda: read_state(live).steps_done > done + 1, "steps meanwhile")
        wait_until(lambda: line.broken > 1, "tries to come back")
        line.mend()
        page.wait_for_notice("")
        page.wait_for("a drawing of", without="a drawing ofx")  # what was typed is there
        page.press("Escape")
        assert int(page.wait_for_pattern(r"step (\d+)/2000")) > done
        page.press("Space")
        page.wait_for("paused")
        assert read_state(live).status == "paused"
        page.press("Space")
        page.wait_for("running")


def test_a_killed_engine_is_interrupted_and_the_run_taken_up_shows_by_itself(
    live: Path, chromium: Browser
) -> None:
    with Served(live) as served:
        page = chromium.open(served.address)
        page.wait_for("candidates: step", "Pause")
        engine = read_owner(live)
        assert engine is not None
        os.kill(engine.pid, signal.SIGKILL)
        page.wait_for("interrupted")
        later = chromium.open(page.page.url)  # when it was gone already
        later.wait_for("interrupted", "templates")
        done = called("resume", str(live), "--detach")
        assert done.returncode == 0, done.stderr
        for shown in (page, later):
            shown.wait_for("running", "candidates: step", without="interrupted")


def test_a_finished_run_is_shown_and_left(run_folder: Path, chromium: Browser) -> None:
    write_run(run_folder, curve=(40, 60))
    before = sorted(path.name for path in run_folder.iterdir())
    with Served(run_folder) as served:
        page = chromium.open(served.address)
        page.wait_for("finished", "step 2/2", "templates: 3")
        page.press("Space", "n", "x")
        page.wait_for("format (left, right)")
        with page.page.expect_download() as download:
            page.press("Enter")
        assert download.value.suggested_filename == "run.html"
        assert "a photo of a" in download.value.path().read_text()
        page.wait_for("exports/run.html")
        page.press("q")
        page.wait_for_end("The run is finished.")
    assert sorted(path.name for path in run_folder.iterdir()) == sorted([*before, "exports"])


def test_a_page_comes_back_to_a_server_that_was_started_anew(
    run_folder: Path, chromium: Browser
) -> None:
    write_run(run_folder, curve=(40, 60))
    with Served(run_folder) as served:
        page = chromium.open(served.address)
        page.wait_for("finished")
        assert served.end()[0] == 130
    page.wait_for_notice("No connection")
    with Served(run_folder, "--port", str(served.port)):
        page.wait_for_notice("")
        page.wait_for("finished")
    page.wait_for_notice("No connection")
    with Served(run_folder, "--port", str(served.port), "--token", "another-token"):
        page.wait_for_end("open the address that it has printed")

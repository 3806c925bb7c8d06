"""Exports from the cockpit: of the run as it is, or of the step of its past that is shown."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import UserError
from engine.common.files import append_traceback
from engine.storage.run_folder import LOG
from glov_tui.cockpit.past import PastActions
from glov_tui.common.text import clean

if TYPE_CHECKING:
    from engine.analysis.export.exported import Exported
    from glov_tui.cockpit.screens.export import ExportScreen


class ExportActions(PastActions):
    """``x``: a dialog for format and path. What is slow is done on a thread; the run goes on."""

    def action_export(self) -> None:
        """Ask for a format and a path, and write it."""
        from glov_tui.cockpit.screens.export import ExportScreen

        make, stem = self._to_export()

        def write(name: str, path: str | None, force: bool) -> None:
            threading.Thread(
                target=self._export,
                args=(screen, make, name, path, force),
                name="glov-export",
                daemon=True,  # a model that loads must not keep the screen
            ).start()

        screen = ExportScreen(self.session.folder, stem, write)
        self._open(screen)

    def _to_export(self) -> tuple[Callable[[], Exported], str]:
        """What gives the run that is shown, and what its files are called."""
        from engine.analysis.export.exported import Exported, read_exported

        folder, past = self.session.folder, self.past
        if past is None:
            return lambda: read_exported(folder), folder.resolve().name
        state = past.state
        shown = Exported(past.folder, past.facts, state, is_all=self.shows_all)
        return lambda: shown, shown.stem

    def _export(
        self,
        screen: ExportScreen,
        make: Callable[[], Exported],
        name: str,
        path: str | None,
        force: bool,
    ) -> None:
        """On a thread of its own: write it, and say how that went."""
        from engine.analysis.export.writing import ExistsError, export

        problem, exists, written = None, False, ""
        try:
            written = str(export(make(), name, path, force))
        except ExistsError:
            problem, exists = "it is there already", True
        except UserError as error:
            problem = str(error)
        except Exception as error:  # whatever it is, the screen goes on and says so
            problem = f"{type(error).__name__}: {error}; more in {LOG} of the run"
            append_traceback(self.session.folder / LOG, error)
        with contextlib.suppress(RuntimeError):  # the screen was left meanwhile
            self.call_from_thread(self._exported, screen, name, written, problem, exists)

    def _exported(
        self, screen: ExportScreen, name: str, written: str, problem: str | None, exists: bool
    ) -> None:
        if screen.is_current:
            screen.ended(problem, exists)
        elif problem is not None:
            self.notify(clean(problem), title=f"No export ({name})", severity="error", timeout=10)
        if problem is None:
            self.notify(clean(written), title=f"Exported ({name}) to", timeout=8)
            if self.is_web and Path(written).is_file():
                self.deliver_binary(written, open_method="download")

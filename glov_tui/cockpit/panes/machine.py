"""The line of the machine's GPUs: use with its last minute, memory, temperature and power.

Where the engine's machine has none, there is no line. It is the engine that measures.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from engine.models.gpus import GpuReading
from engine.run.state import RunState
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.widgets.segments import sparkline

GIB = 2**30
ROWS = 4
"""At most; where more GPUs are, or a screen is low, several share a row."""
LOW = 30
"""Lines of a screen that has room for one row only."""
_SPARK_CELLS = 15
_KINDS = 6
"""Of fields of a GPU."""


class MachineLine(Static):
    """A row for each GPU, as far as there is room; what is least important is left out first."""

    TITLE: ClassVar[str] = "machine"
    INTERVAL: ClassVar[float] = 1.0
    DEFAULT_CSS = """
    MachineLine { height: 0; width: 1fr; padding: 0 1; color: $text-muted; text-wrap: nowrap; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("", markup=False, id="machine")
        self._glyphs = glyphs
        self._state: RunState | None = None
        self._rows = 0

    def fingerprint(self, state: RunState) -> Hashable:
        """The text itself: it is cheap to make."""
        return self.text(state)

    def show(self, state: RunState) -> None:
        """Draw it; with a new layout only where there are more rows, or none."""
        self._state = state
        text = self.text(state)
        rows = text.count("\n") + 1 if text else 0
        self.update(Content(text), layout=False)
        if rows != self._rows:
            self._rows = rows
            self.styles.height = rows

    def on_resize(self) -> None:
        """Other fields fit, also where nothing is measured any more."""
        if self._state is not None:
            self.show(self._state)

    def text(self, state: RunState) -> str:
        """The rows for this state at the present size."""
        measured = state.machine
        if measured is None or not measured.gpus:
            return ""
        pairs = list(zip(measured.gpus, measured.past, strict=False))
        most = ROWS if self.app.size.height >= LOW else 1
        each = -(-len(pairs) // min(most, len(pairs)))  # GPUs in a row
        rows = [pairs[start : start + each] for start in range(0, len(pairs), each)]
        width = max(10, self.app.size.width - 2)
        for kinds in range(_KINDS, 0, -1):  # the fullest that fits, and the same in all rows
            cells = [[" ".join(self._fields(*pair, kinds)) for pair in row] for row in rows]
            lines = self._lines(cells)
            if max(map(cell_len, lines)) <= width:
                return "\n".join(lines)
        return "\n".join(cut(self._shortest([gpu for gpu, _ in row], width), width) for row in rows)

    def _lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """GPUs below each other begin in one column."""
        columns = [max(map(cell_len, some)) for some in zip_longest(*rows, fillvalue="")]
        separator = f" {self._glyphs.separator} "
        return [separator.join(map(_padded, row, columns[: len(row)])).rstrip() for row in rows]

    def _shortest(self, gpus: Sequence[GpuReading], width: int) -> str:
        """Of many GPUs: the use of each by their numbers, else how far it is apart."""
        uses = ["-" if gpu.use is None else f"{gpu.use}%" for gpu in gpus]
        numbers = f"GPU {gpus[0].number}-{gpus[-1].number}"
        known = [gpu.use for gpu in gpus if gpu.use is not None]
        each = f"{numbers} {' '.join(uses)}"
        if cell_len(each) <= width or not known:
            return each
        return f"{numbers} {min(known)} to {max(known)}%"

    def _fields(self, gpu: GpuReading, past: Sequence[int | None], most: int) -> Iterator[str]:
        """What is known of a GPU, the first ``most`` kinds of it by importance."""
        yield f"GPU {gpu.number}"
        if most > 5 and gpu.name != "GPU":  # which it is where none is told
            yield clean(gpu.name)
        if gpu.use is not None:
            yield f"{gpu.use:3d}%"
        if most > 2 and gpu.use is not None:
            yield sparkline(past, 101, self._glyphs.ramp, _SPARK_CELLS)
        if most > 1 and gpu.memory_used is not None and gpu.memory_total is not None:
            yield f"{gpu.memory_used / GIB:.1f}/{gpu.memory_total / GIB:.0f} GiB"
            if most > 3 and gpu.memory_own is not None:
                yield f"(own {gpu.memory_own / GIB:.1f})"
        if most > 3 and gpu.temperature is not None:
            yield f"{gpu.temperature} {self._glyphs.degree}C"
        if most > 4 and gpu.power is not None:
            limit = f"/{gpu.power_limit:.0f}" if gpu.power_limit else ""
            yield f"{gpu.power:.0f}{limit} W"


def _padded(text: str, size: int) -> str:
    return text + " " * (size - cell_len(text))

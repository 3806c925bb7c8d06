"""A reader that is watched."""

from __future__ import annotations

import torch

from engine.llm.decoding.decoder import Reader


class Recorder:
    """A reader that keeps what it read and the logits that it gave, by candidate."""

    def __init__(self, reader: Reader, rows: int) -> None:
        self._reader = reader
        self._rows = list(range(rows))
        self.logits: list[list[torch.Tensor]] = [[] for _ in range(rows)]
        self.tokens: list[list[int]] = [[] for _ in range(rows)]

    @property
    def unsteered(self) -> torch.Tensor | None:
        return self._reader.unsteered

    def first(self) -> torch.Tensor:
        return self._record(self._reader.first())

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        for row, token in zip(self._rows, tokens.tolist(), strict=True):
            self.tokens[row].append(token)
        return self._record(self._reader.next(tokens))

    def keep(self, rows: torch.Tensor) -> None:
        self._rows = [self._rows[i] for i in rows.tolist()]
        self._reader.keep(rows)

    def _record(self, logits: torch.Tensor) -> torch.Tensor:
        for row, values in zip(self._rows, logits.expand(len(self._rows), -1), strict=True):
            self.logits[row].append(values.clone())
        return logits

"""Models whose decoder layers are in no list, so that they can't be found."""

from __future__ import annotations

from typing import Any

from torch import nn


class _Several(nn.Module):
    def __init__(self, inner: nn.ModuleList) -> None:
        super().__init__()
        self.first = inner[0]
        self.rest = nn.ModuleList(inner[1:])

    def __getitem__(self, _which: slice) -> list[nn.Module]:
        return [self.first, *self.rest]


def hide_layers(model: Any) -> Any:
    """A Llama that does what it did, its layers out of reach."""
    inner = model.model.layers
    del model.model.layers
    model.model.layers = _Several(inner)
    return model

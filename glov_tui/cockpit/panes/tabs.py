"""The names of the panes in their order, and the line that shows which of them is chosen."""

from __future__ import annotations

PANES = ("meta-prompt", "examples", "steering", "candidates", "accuracy", "log")


def screen_tabs(current: str, width: int) -> str:
    """The tab line of the layouts that do not show all panes: ``1 meta-prompt [2 templates]``."""
    titles = {"examples": "templates", "accuracy": "chart"}
    shorter = {"meta-prompt": "prompt", "steering": "steer", "candidates": "replies"}
    for names in (titles, titles | shorter):
        labels = [f"{number} {names.get(name, name)}" for number, name in enumerate(PANES, 1)]
        pairs = zip(PANES, labels, strict=True)
        line = "".join(f"[{label}]" if name == current else f" {label} " for name, label in pairs)
        if len(line) <= width:
            break
    return line[:width]

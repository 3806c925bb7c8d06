"""Textual hands a message to the handler of every class of a widget: none may call its parent's."""

from __future__ import annotations

import ast
from pathlib import Path

import textual.events
from textual.message import Message

from tests.support import ROOT

HANDLERS = {
    made.handler_name
    for made in vars(textual.events).values()
    if isinstance(made, type) and issubclass(made, Message) and made is not Message
} - {"on_event"}  # of the class of all events: that one is a method, and calls its parent's


def called_twice(path: Path) -> list[str]:
    """Handlers in a file that call the one of the parent, which Textual calls as well."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in HANDLERS:
            calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
            if any(ast.unparse(call.func) == f"super().{node.name}" for call in calls):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    return found


def test_no_handler_of_a_message_calls_its_parents() -> None:
    assert {"on_mount", "on_resize"} <= HANDLERS
    assert [
        one for path in sorted((ROOT / "glov_tui").rglob("*.py")) for one in called_twice(path)
    ] == []

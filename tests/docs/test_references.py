"""What the docs name is there: files, modules, names in them, links and their anchors."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

TOPS = "engine|glov_tui|tests|benchmarks|docs|examples"
DOCS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("engine/demo/weights/*/README.md")]
)
SOURCES = sorted(
    path for top in TOPS.split("|") for path in (ROOT / top).rglob("*.py") if path.is_file()
)

PATH = re.compile(rf"(?<![\w/.-])(?:{TOPS})/[\w./*-]*[\w/*]")
MODULE = re.compile(r"(?<![\w/.-])(?:engine|glov_tui|benchmarks|docs)(?:\.[A-Za-z_]\w*)+\b(?!/)")
NAMED_IN = re.compile(rf"`((?:{TOPS})/[\w/]+\.py)`[,:]? \(?`([A-Za-z_][\w.]*)`")
MADE = re.compile(r"^`([\w/]+)\.py`:\n\n```python$", re.M)
"""A file that a text holds whole: tests/test_extending.py makes it."""
LINK = re.compile(r"\]\(([^)\s]+)\)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCS, ids=relative)
def test_all_that_a_text_names_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [*missing(text)]
    assert not [link for link in LINK.findall(prose(text)) if not leads_somewhere(path, link)]


@pytest.mark.parametrize("top", TOPS.split("|"))
def test_all_that_the_sources_say_is_there(top: str) -> None:
    found = {}
    for path in SOURCES:
        if relative(path).startswith(f"{top}/"):
            wrong = [*missing(said(path.read_text(encoding="utf-8")))]
            if wrong:
                found[relative(path)] = wrong
    assert not found


def missing(text: str) -> Iterator[str]:
    """The paths, modules and names in a text that are not there."""
    made = set(MADE.findall(text))
    for path in PATH.findall(text):
        if path.removesuffix(".py") not in made and not any(ROOT.glob(path.rstrip("/"))):
            yield path
    for module in MODULE.findall(text):
        if module.replace(".", "/") not in made and not is_known(module):
            yield module
    for path, name in NAMED_IN.findall(text):
        if (ROOT / path).is_file() and not has(ROOT / path, name.split(".")):
            yield f"{name} in {path}"


def prose(text: str) -> str:
    """A text without its code blocks."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def said(source: str) -> str:
    """The docstrings of a source, and its comments."""
    found = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return "\n".join([*found, *re.findall(r"#.*", source)])


def is_known(dotted: str) -> bool:
    """Whether a module, or a name in one, is there."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:end])
        if base.with_suffix(".py").is_file():
            return has(base.with_suffix(".py"), parts[end:])
        if base.is_dir():
            return end == len(parts) or has(base / "__init__.py", parts[end:])
    return False


def has(path: Path, names: list[str]) -> bool:
    """Whether a file defines ``A``, or a class ``A`` with ``b``."""
    body: list[ast.stmt] | None = parsed(path).body
    for name in names:
        if body is None:
            return False
        found = [node for node in body if name in defined(node, path.name == "__init__.py")]
        if not found:
            return False
        body = found[0].body if isinstance(found[0], ast.ClassDef) else None
    return True


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def defined(node: ast.stmt, imported: bool) -> set[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            named = [a for a in node.names if imported or a.name == a.asname]  # as what is its own
            return {alias.asname or alias.name for alias in named}
        case ast.Assign(targets=targets):
            return {one.id for target in targets for one in ast.walk(target) if is_name(one)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def leads_somewhere(path: Path, link: str) -> bool:
    """Whether a link within the project is to a file, and to a heading that it has."""
    if re.match(r"[a-z]+:", link):
        return True
    file, _, anchor = link.partition("#")
    target = path.parent / file if file else path
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


@functools.cache
def anchors(path: Path) -> set[str]:
    """Of the headings of a text, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    text = "see `engine/nothing.py`, engine.run.state.RunState.apply and engine.run.nothing; "
    text += "`engine/run/state.py`, `RunState.gone`; `engine/run/state.py` (`RunState.apply`)"
    assert [*missing(text)] == [
        "engine/nothing.py",
        "engine.run.nothing",
        "RunState.gone in engine/run/state.py",
    ]
    page = tmp_path / "page.md"
    page.write_text("# A `b` c: d\n")
    assert leads_somewhere(page, "#a-b-c-d") and leads_somewhere(page, "https://a.org/x")
    assert not leads_somewhere(page, "#a") and not leads_somewhere(page, "other.md")

"""Who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules(package: str) -> dict[str, Path]:
    """Files of a package by module name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(node: ast.AST, *, top_level: bool) -> Iterator[str]:
    """Names that a file imports; with `top_level`, only those that it imports when it is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not top_level or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, top_level=top_level)


def test_monitor_never_imports_training() -> None:
    """The worker image ships without it: not even a function may import it."""
    for name, path in modules("monitor").items():
        found = set(imports(ast.parse(path.read_text()), top_level=False))
        assert not {each for each in found if each.split(".")[0] in ("training", "tests")}, name


def test_nothing_imports_in_a_circle() -> None:
    """Every module can be imported first."""
    known = modules("monitor") | modules("training")
    graph = {
        name: {
            each
            for each in imports(ast.parse(path.read_text()), top_level=True)
            if each in known and each != name
        }
        for name, path in known.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) >= len(known)  # CycleError names the circle


def test_packages_re_export_nothing() -> None:
    """An `__init__.py` holds a docstring and at most the version."""
    for path in [*(ROOT / "monitor").rglob("__init__.py"), *(ROOT / "training").rglob("__init__.py")]:
        assert not list(imports(ast.parse(path.read_text()), top_level=False)), path

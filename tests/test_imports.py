"""Who may import whom, and how large a room, a file and a function may be."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.project import ROOT


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


PACKAGES = ("monitor", "training")
MOST_FILES, MOST_LINES, MOST_OF_A_FUNCTION = 15, 300, 40


def test_the_layers_have_no_exceptions() -> None:
    """What `lint-imports` holds, it holds of every import."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert {each.get("exhaustive") for each in contracts if each["type"] == "layers"} == {True}
    assert not [each["name"] for each in contracts if "ignore_imports" in each]


def test_no_room_is_crowded() -> None:
    """A folder holds at most so many files of Python beside its folders and its docstring."""
    counts = Counter(path.parent for path in sources() if path.name != "__init__.py")
    assert not {folder: count for folder, count in counts.items() if count > MOST_FILES}


def test_no_file_is_too_long_to_read() -> None:
    """A file can be seen through."""
    counts = {path: len(path.read_text("utf-8").splitlines()) for path in sources()}
    assert not {path: count for path, count in counts.items() if count > MOST_LINES}


def test_no_function_is_too_long_to_read() -> None:
    """A function fits a screen, from its first decorator to its last line."""
    long = [
        (path, node.name)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > MOST_OF_A_FUNCTION
    ]
    assert not long


def test_tests_lie_as_the_rooms_do() -> None:
    """A folder of tests of a package has the name of one of its rooms."""
    for package in PACKAGES:
        home = ROOT / "tests" / package
        rooms = {path.parent.relative_to(home) for path in home.rglob("test_*.py")}
        assert len(rooms) > 5
        assert not [room for room in rooms if not (ROOT / package / room / "__init__.py").is_file()]


def test_every_kernel_is_run_as_plain_python() -> None:
    """The tests that `make check` repeats without compiling cover every file that holds a kernel."""
    named = re.search(r"^KERNELS := (.*)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert named is not None
    folders = [Path(word) for word in named[1].split()]
    assert not [path for path in folders if not (ROOT / path).exists()]
    for path in sources():
        if "\n@compiled\n" in path.read_text("utf-8"):
            where = Path("tests") / path.relative_to(ROOT).parent
            assert {where, where / f"test_{path.name}"} & set(folders), path


def sources() -> list[Path]:
    """Every file of Python that ships."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its decorators with it."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return (node.end_lineno or node.lineno) - first + 1

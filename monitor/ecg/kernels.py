"""Kernels: functions compiled by numba at their first call, and the cache of what has been compiled.

numba's own cache is unfit for a service in three ways. It refuses a folder that it can't write, so that
what an image brings on a read-only root is compiled again at each start, and where no folder can be
written, the import fails. A full disk or a damaged file ends the process. And it knows a kernel's own
file only: a change in what that file imports leaves the old code in use.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import config, njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    NullCache,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)
from numba.core.registry import cpu_target

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

_ROOT = Path(__file__).parents[1]  # the package: a kernel's imports lie in any of its rooms
_IMPORTS = re.compile(rf"^from {_ROOT.name}\.([\w.]+) import ", re.MULTILINE)
# What unpickling makes of a file cut short or written by something else.
_DAMAGED = (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, ImportError, LookupError)


@dataclass(slots=True)
class CacheUse:
    """What became of this process's kernels."""

    loaded: int = 0  # from a cache
    compiled: int = 0
    unkept: int = 0  # of the compiled ones: no folder took them
    folders: set[Path] = field(default_factory=set)  # where code was found or left


USE = CacheUse()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled at its first call, its code cached on disk; exact, hence no fastmath."""
    made: Any = njit(function)
    if not config.DISABLE_JIT:
        made._cache = KernelCache(function)  # as Dispatcher.enable_caching does with numba's own
    return cast(Callable[P, R], made)


def processor() -> str:
    """The processor that kernels are compiled for, by LLVM's name; NUMBA_CPU_NAME may choose another one."""
    return str(cpu_target.target_context.codegen().magic_tuple()[1])


def source_stamp(path: Path) -> bytes:
    """A hash over a module's source and all that it imports of this package, directly or not."""
    digest = hashlib.sha256()
    for each in sorted(_closure(path)):
        digest.update(each.read_bytes())
    return digest.digest()


def _closure(path: Path) -> set[Path]:
    found, new = set[Path](), {path}
    while new:
        found |= new
        new = {each for one in new for each in _imported(one)} - found
    return found


@cache
def _imported(path: Path) -> frozenset[Path]:
    names = _IMPORTS.findall(path.read_text(encoding="utf-8"))
    files = (_ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return frozenset(each for each in files if each.is_file())


class _AnyFolder:
    """A locator that takes its folder as it is, writable or not, and stamps with all that matters."""

    _py_file: str

    @classmethod
    def from_function(cls, function: Callable[..., Any], path: str) -> Any:
        return cls(function, path)  # type: ignore[call-arg]

    def get_source_stamp(self) -> bytes:
        return source_stamp(Path(self._py_file))


class _Given(_AnyFolder, UserProvidedCacheLocator):  # type: ignore[misc]
    """NUMBA_CACHE_DIR."""


class _InTree(_AnyFolder, InTreeCacheLocator):  # type: ignore[misc]
    """`__pycache__` beside the source."""


class _UserWide(_AnyFolder, UserWideCacheLocator):  # type: ignore[misc]
    """The user's cache folder."""


def _folder_cache(locator: type[_AnyFolder], function: Callable[..., Any]) -> Any:
    class Implementation(CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes = (locator,)

    class FolderCache(FunctionCache):  # type: ignore[misc]
        _impl_class = Implementation

    return FolderCache(function)


class KernelCache(NullCache):  # type: ignore[misc]
    """The cached code of one function, in several folders: read from all, written to the first that takes it.

    NUMBA_CACHE_DIR alone where it is set; otherwise beside the source, then in the user's cache folder.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        locators = [_Given] if config.CACHE_DIR else [_InTree, _UserWide]
        self._folders = [_folder_cache(locator, function) for locator in locators]

    @property
    def cache_path(self) -> str:
        """The folder that is asked first."""
        return str(self._folders[0].cache_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code for these argument types and this processor, or None; says why there is none."""
        for folder in self._folders:
            try:
                found = folder.load_overload(sig, target_context)
            except (OSError, *_DAMAGED):
                continue
            if found is not None:
                USE.loaded += 1
                USE.folders.add(Path(folder.cache_path))
                return found
        if not USE.compiled:
            logger.warning("compiling the signal path for %s, half a minute: %s", processor(), self._reason())
        USE.compiled += 1
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code; where no folder takes it, say so once and go on."""
        refusals = []
        for folder in self._folders:
            try:
                _save(folder, sig, data)
            except OSError as error:
                refusals.append(f"{folder.cache_path} ({error.strerror})")
                continue
            USE.folders.add(Path(folder.cache_path))
            return
        if not USE.unkept:
            logger.warning(
                "compiled code is not kept, so that every start compiles: cannot write %s; "
                "let NUMBA_CACHE_DIR name a folder that can be written",
                " or ".join(refusals),
            )
        USE.unkept += 1

    def _reason(self) -> str:
        """Why nothing cached serves."""
        others = {name for folder in self._folders for name in _processors(folder)}
        if others - {processor()}:
            return f"what is cached was compiled for {', '.join(sorted(others))}"
        return f"nothing that fits this version is cached in {self.cache_path}"


def _save(folder: Any, sig: Any, data: Any) -> None:
    try:
        folder.save_overload(sig, data)
    except _DAMAGED:
        folder.flush()
        folder.save_overload(sig, data)


def _processors(folder: Any) -> set[str]:
    """The processors that a folder holds this function's present version for."""
    try:
        return {str(target[1]) for _, target, _ in folder._cache_file._load_index()}
    except (OSError, *_DAMAGED):
        return set()

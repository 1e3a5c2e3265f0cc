"""What a Dockerfile's stages make, without Docker: their COPY and RUN lines, run by a shell in one folder.

All stages share the folder, so that a COPY from another stage has nothing to do. The base image is this
machine with this Python.
"""

from __future__ import annotations

import re
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.deploy_files import instructions
from tests.support.project import ROOT

_PLACES = re.compile(r"(?<![\w./])/(src|opt|wheel|demo)\b")


def build_image(dockerfile: str, target: str, root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Run a Dockerfile up to a stage's end, below `root`; returns the environment that the stage has."""
    base = {**environment, "PATH": f"{_python(root)}:{environment['PATH']}"}
    stages: dict[str, dict[str, str]] = {}
    variables, here = base, root
    for name, rest in instructions(dockerfile):
        arguments = _PLACES.sub(rf"{root}/\1", rest)
        match name:
            case "FROM":
                if target in stages:
                    break
                image, _, label = rest.split()
                variables = stages[label] = dict(stages.get(image, base))
            case "ENV" | "ARG":
                pairs = (word.partition("=") for word in shlex.split(arguments))
                variables |= {
                    key: string.Template(value).safe_substitute(variables) for key, _, value in pairs
                }
            case "WORKDIR":
                here = Path(arguments)
                here.mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(shlex.split(arguments), here)
            case "RUN":
                _run(arguments, here, variables)
    return variables


def _python(root: Path) -> Path:
    """A folder with `python`, as the base image has it on its path."""
    folder = root / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "python").chmod(0o755)
    return folder


def _copy(words: list[str], here: Path) -> None:
    if words[0].startswith("--from="):
        assert words[1] == words[2]
        return
    *sources, destination = words
    for source in sources:
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, here / destination, ignore=ignored)
        else:
            shutil.copy(ROOT / source, here / destination)


def _run(command: str, here: Path, variables: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-ec", command], cwd=here, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

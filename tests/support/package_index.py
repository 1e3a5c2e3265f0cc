"""A package index on loopback, of real files and of made-up wheels, for tests of what pip does with it."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution
from pathlib import Path

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version


def sha256(path: Path) -> str:
    """A file's hash as locks write it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a pure Python wheel that asks for `requires` and holds `files`; returns its path."""
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {one}" for one in requires]
    metadata += [f"Provides-Extra: {one}" for one in extras]
    stem = f"{canonicalize_name(name).replace('-', '_')}-{version}"
    contents = {
        **(files or {}),
        f"{stem}.dist-info/METADATA": ("\n".join(metadata) + "\n").encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return write_wheel(folder / f"{stem}-py3-none-any.whl", contents)


def repack(folder: Path, distribution: Distribution) -> Path:
    """The wheel that a pure Python package was installed from, as far as it matters."""
    stem = f"{distribution.name.replace('-', '_')}-{distribution.version}"
    left_out = (".pyc", "/RECORD", "/INSTALLER", "/REQUESTED", "/direct_url.json")
    contents = {
        str(file): file.read_binary()
        for file in distribution.files or ()
        if not str(file).startswith("..") and not str(file).endswith(left_out)
    }
    return write_wheel(folder / f"{stem}-py3-none-any.whl", contents)


def write_wheel(path: Path, contents: Mapping[str, bytes]) -> Path:
    """A wheel of these files, its RECORD made."""
    info = next(name.split("/")[0] for name in contents if name.split("/")[0].endswith(".dist-info"))
    record = ""
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in contents.items():
            wheel.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(data)}\n"
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def newer(version: str) -> str:
    """A release after this one, of its epoch."""
    epoch = Version(version).epoch
    return f"{epoch}!9999" if epoch else "9999"


@contextmanager
def serving(files: Path) -> Iterator[str]:
    """The address of an index of all wheels in a folder, while in the block."""
    projects: dict[str, list[Path]] = {}
    for path in sorted(files.iterdir()):
        parse = parse_wheel_filename if path.suffix == ".whl" else parse_sdist_filename
        projects.setdefault(parse(path.name)[0], []).append(path)
    for project, paths in projects.items():
        page = files.parent / "simple" / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        links = [
            f'<a href="/{files.name}/{path.name}#sha256={sha256(path)}">{path.name}</a>' for path in paths
        ]
        page.write_text("<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>", encoding="utf-8")
    handler = partial(_Quiet, directory=str(files.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it is asked."""

    def log_message(self, *_: object) -> None:
        """Nothing."""

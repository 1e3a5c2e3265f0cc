"""PhysioNet databases onto disk through `wfdb`: every file checked, nothing fetched twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from monitor.recordings.wfdb_records import wfdb_library
from training.errors import DataError
from training.progress import Bar, no_bar

PHYSIONET = "https://physionet.org/files/"
VERSIONS = {"mitdb": "1.0.0", "nstdb": "1.0.0"}  # what our figures were measured on; others: the newest
CHECKSUMS = "SHA256SUMS.txt"
_UNUSED = (".xws", "-")  # waveform-viewer bookmarks and backups, which some databases list
_CONNECTIONS = 2  # as wfdb does, so as not to overload PhysioNet
_ATTEMPTS = 2  # a file damaged on its way is fetched once more
_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a call left on disk."""

    folder: Path
    version: str
    kept: int  # files that were there with the right checksum
    fetched: int


@dataclass(frozen=True, slots=True)
class _Database:
    """A database's place on the server and on disk."""

    url: str
    folder: Path
    version: str
    sums: dict[str, str]  # sha256 by path in the database


def fetch_database(name: str, dest: Path, *, index_url: str = PHYSIONET, bar: Bar = no_bar) -> Fetched:
    """All records of a database in `dest/NAME`, verified against its SHA256SUMS.txt.

    name: PhysioNet's slug, or "slug/version"; bar: moved on by each file. Files with
    the right checksum are kept, so that a call that was broken off goes on where it stopped.
    Raises DataError if the server can't be reached or something does not match.
    """
    slug, _, version = name.strip("/").partition("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", slug):
        raise DataError(f"database is {name!r}, wanted a PhysioNet name such as mitdb")
    with _server(index_url) as remote:
        database = _open(remote, slug, version or VERSIONS.get(slug, ""), dest)
        files = _wanted(remote, database, slug)
        return _fetch_all(remote, database, files, bar)


@contextmanager
def _server(index_url: str) -> Iterator[Any]:
    """wfdb's downloader, pointed to a server; its errors as DataError."""
    with wfdb_library():
        from wfdb.io import download  # noqa: PLC0415 - see wfdb_library

        before = download.config.db_index_url
        download.set_db_index_url(index_url if index_url.endswith("/") else f"{index_url}/")
        try:
            yield download
        except OSError as exc:  # requests' and wfdb's network errors are
            # Those have no error number; the disk's have.
            place, what = (
                (index_url, f"{exc}; is there a network?")
                if exc.errno is None
                else (exc.filename, exc.strerror)
            )
            raise DataError(f"{place}: {what}") from exc
        finally:
            download.set_db_index_url(before)


def _open(remote: Any, slug: str, version: str, dest: Path) -> _Database:
    if not version:
        try:
            version = remote.get_version(slug)
        except IndexError as exc:  # a page, but none of a database
            raise DataError(f"{slug}: PhysioNet names no version of it; give one as {slug}/1.0.0") from exc
    folder = dest / slug
    folder.mkdir(parents=True, exist_ok=True)
    url = f"{remote.config.db_index_url}{slug}/{version}/"
    listed = folder / CHECKSUMS
    # Small, and never kept from before: it says what everything else must be.
    with _refused(f"{slug} {version}: no {CHECKSUMS}, so that nothing could be verified"):
        remote.dl_full_file(url + CHECKSUMS, str(listed))
    return _Database(url, folder, version, _parse_sums(listed))


@contextmanager
def _refused(message: str) -> Iterator[None]:
    """A file that the server does not have, said in our own words."""
    try:
        yield
    except FileNotFoundError as exc:
        raise DataError(message) from exc


def _parse_sums(path: Path) -> dict[str, str]:
    sums = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.fullmatch(r"([0-9a-fA-F]{64}) [ *]?(\S.*)", line.strip())
        # A name that leads out of the folder is none of the database's.
        if found and not {"..", "/"} & set(PurePosixPath(found[2]).parts):
            sums[found[2]] = found[1].lower()
    if not sums:
        raise DataError(f"{path}: no checksums in it")
    return sums


def _wanted(remote: Any, database: _Database, slug: str) -> list[str]:
    """The files of every record, and the lists of records and annotators."""
    with _refused(f"{slug} {database.version}: no RECORDS, so that it holds no WFDB records"):
        _fetch(remote, database, "RECORDS")
    records = (database.folder / "RECORDS").read_text(encoding="utf-8").split()
    files = [name for name in sorted(database.sums) if not name.endswith(_UNUSED)]
    wanted = [name for name in files if name == "ANNOTATORS" or name.startswith(tuple(records))]
    lacking = [record for record in records if not any(name.startswith(record) for name in wanted)]
    if lacking:
        raise DataError(f"{slug} {database.version}: {CHECKSUMS} lacks records {', '.join(lacking[:5])}")
    return wanted


def _fetch_all(remote: Any, database: _Database, files: list[str], bar: Bar) -> Fetched:
    fetched = 0
    with bar(database.folder.name, len(files)) as advance, ThreadPoolExecutor(_CONNECTIONS) as pool:
        try:
            jobs = pool.map(partial(_fetch, remote, database), files)
            for name, was_fetched in zip(files, jobs, strict=True):
                fetched += was_fetched
                advance(1, name)
        except BaseException:
            # After an error or Ctrl-C: don't go through hundreds of files first.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Fetched(database.folder, database.version, len(files) - fetched, fetched)


def _fetch(remote: Any, database: _Database, name: str) -> bool:
    """True if the file had to be fetched."""
    path = database.folder / name
    wanted = database.sums.get(name)
    if wanted is None:
        raise DataError(f"{database.folder.name} {database.version}: {CHECKSUMS} lacks {name}")
    if path.is_file() and _sha256(path) == wanted:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_name(path.name + _SUFFIX)
    got = ""
    for _ in range(_ATTEMPTS):
        remote.dl_full_file(database.url + name, str(partial_path))
        got = _sha256(partial_path)
        if got == wanted:
            # Only whole files bear their name: a kill leaves nothing that looks finished.
            partial_path.replace(path)
            return True
    partial_path.unlink()
    raise DataError(
        f"{database.url}{name}: sha256 is {got[:12]}…, wanted {wanted[:12]}…, {_ATTEMPTS} times over"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

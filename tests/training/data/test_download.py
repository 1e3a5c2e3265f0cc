"""Fetching a database: complete, verified, resumable."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.physionet import FILES, FakePhysioNet, fake_physionet
from training.commands.data import data
from training.data.download import Fetched, fetch_database
from training.errors import DataError


@pytest.fixture
def physionet(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePhysioNet]:
    """A server that holds a small mitdb."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_physionet() as server:
        yield server


def _fetch(server: FakePhysioNet, dest: Path, name: str = "mitdb") -> Fetched:
    return fetch_database(name, dest, index_url=f"{server.url}files/")


def test_fetches_records_and_nothing_else(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """Every file of a record comes bit by bit; pages and bookmarks stay where they are."""
    fetched = _fetch(physionet, tmp_path)
    there = {path.name: path.read_bytes() for path in (tmp_path / "mitdb").iterdir()}
    wanted = {
        name: body for name, body in FILES.items() if "." not in name or name.endswith((".hea", ".dat"))
    }
    assert {name: body for name, body in there.items() if name != "SHA256SUMS.txt"} == wanted
    assert (fetched.version, fetched.kept, fetched.fetched) == ("1.0.0", 0, 5)


def test_second_call_fetches_nothing(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """What is there with the right checksum is kept."""
    _fetch(physionet, tmp_path)
    physionet.asked.clear()
    assert _fetch(physionet, tmp_path).fetched == 0
    assert physionet.asked == ["SHA256SUMS.txt"]


def test_cut_file_is_fetched_again(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """A file that is too short or changed is replaced, and only that one."""
    _fetch(physionet, tmp_path)
    (tmp_path / "mitdb" / "101.dat").write_bytes(b"b" * 17)
    assert _fetch(physionet, tmp_path).fetched == 1
    assert (tmp_path / "mitdb" / "101.dat").read_bytes() == FILES["101.dat"]


def test_killed_process_is_resumed(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """After kill -9 the next call keeps what was whole and fetches the rest."""
    physionet.stalls_at = "101.dat"
    code = "import sys; from pathlib import Path; from training.data.download import fetch_database\n"
    code += "fetch_database('mitdb', Path(sys.argv[1]), index_url=sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"{physionet.url}files/"])
    deadline = time.monotonic() + 60
    others = [tmp_path / "mitdb" / name for name in ("ANNOTATORS", "100.hea", "100.dat", "101.hea")]
    while not all(path.exists() for path in others) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    physionet.stalls_at = None
    physionet.go_on.set()
    fetched = _fetch(physionet, tmp_path)
    assert (fetched.kept, fetched.fetched) == (4, 1)
    assert (tmp_path / "mitdb" / "101.dat").read_bytes() == FILES["101.dat"]


def test_file_damaged_on_its_way_is_asked_for_again(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """One wrong answer is no reason to give up."""
    physionet.damaged["100.dat"] = 1
    assert _fetch(physionet, tmp_path).fetched == 5


def test_corrupted_file_is_refused(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """A file that keeps not matching its checksum is named, and not left on disk."""
    physionet.damaged["100.dat"] = 9
    with pytest.raises(DataError, match=r"100\.dat: sha256 is"):
        _fetch(physionet, tmp_path)
    assert not list((tmp_path / "mitdb").glob("100.dat*"))


@pytest.mark.parametrize(
    ("missing", "message"),
    [("RECORDS", "lacks RECORDS"), ("100.hea", "lacks records 100")],
)
def test_missing_checksum_is_refused(
    physionet: FakePhysioNet, tmp_path: Path, missing: str, message: str
) -> None:
    """What can't be verified is not taken."""
    for name in [name for name in physionet.files if name.startswith(missing[:3])]:
        physionet.files.pop(name) if name != missing else None
    physionet.list_checksums(without=missing)
    with pytest.raises(DataError, match=message):
        _fetch(physionet, tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"), [("SHA256SUMS.txt", "nothing could be verified"), ("RECORDS", "no WFDB records")]
)
def test_database_without_its_lists_is_refused(
    physionet: FakePhysioNet, tmp_path: Path, gone: str, message: str
) -> None:
    """Without the list of checksums or of records the error says which."""
    del physionet.files[gone]
    with pytest.raises(DataError, match=message):
        _fetch(physionet, tmp_path)


def test_empty_list_of_checksums_is_refused(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """A page that is no list of checksums is not taken for one."""
    physionet.files["SHA256SUMS.txt"] = b"<html>come back later</html>"
    with pytest.raises(DataError, match="no checksums"):
        _fetch(physionet, tmp_path)


def test_no_network_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is an error that the caller can act on."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataError, match="is there a network") as caught:
        fetch_database("mitdb", tmp_path, index_url="http://127.0.0.1:9/")
    assert caught.value.exit_code == 8


def test_other_databases_come_in_their_newest_version(
    physionet: FakePhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PhysioNet's page of a database says the version."""
    from wfdb.io import download

    monkeypatch.setattr(download, "PN_CONTENT_URL", f"{physionet.url}content/")
    assert _fetch(physionet, tmp_path, "svdb").version == "1.0.0"
    assert _fetch(physionet, tmp_path, "svdb/2.1.0").version == "2.1.0"


def test_page_without_a_version_is_said_so(
    physionet: FakePhysioNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If PhysioNet's page has changed, the version can still be given."""
    from wfdb.io import download

    monkeypatch.setattr(download, "PN_CONTENT_URL", f"{physionet.url}files/")
    physionet.files["svdb/"] = physionet.files[""] = b"<html>"
    with pytest.raises(DataError, match=r"give one as svdb/1\.0\.0"):
        _fetch(physionet, tmp_path, "svdb")


def test_unwritable_destination_is_said_so(physionet: FakePhysioNet, tmp_path: Path) -> None:
    """A file in the folder's place is the disk's error, not the network's."""
    (tmp_path / "mitdb").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match=r"mitdb: File exists"):
        _fetch(physionet, tmp_path)


def test_names_are_checked(tmp_path: Path) -> None:
    """A name that is none of a database is refused before anything is asked."""
    with pytest.raises(DataError, match="wanted a PhysioNet name"):
        fetch_database("../etc", tmp_path)


def test_command_says_what_it_did(
    physionet: FakePhysioNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ecg-train data` prints where the files are, and how many were fetched."""
    data("mitdb", tmp_path, mirror=f"{physionet.url}files")
    assert "version 1.0.0, 5 files fetched, 0 kept" in capsys.readouterr().out

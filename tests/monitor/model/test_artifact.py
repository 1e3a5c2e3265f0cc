"""Model folders: what is written is what is read, and nothing that was changed is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.ecg.windows import WindowSpec
from monitor.errors import ArtifactError
from monitor.model.artifact import (
    MANIFEST,
    MANIFEST_SCHEMA,
    WEIGHTS,
    Manifest,
    NetworkSpec,
    default_model,
    read_artifact,
    read_manifest,
    save_artifact,
)
from monitor.model.autoencoders.registry import build
from tests.support.models import small_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model's folder; never written to."""
    folder = tmp_path_factory.mktemp("artifact") / "model"
    small_model(folder)
    return folder


@pytest.fixture(scope="module")
def scratch(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it for tests that write every file they read."""
    return Path(shutil.copytree(whole, tmp_path_factory.mktemp("scratch") / "model"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


def edit(folder: Path, **changes: Any) -> None:
    """Change the manifest's fields, leaving its checksum as it is."""
    plain = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text(json.dumps({**plain, **changes}))


def test_what_is_saved_is_read(whole: Path) -> None:
    """Manifest and weights come back as they were."""
    model = small_model()
    manifest, networks = read_artifact(whole)
    assert manifest.version == read_manifest(whole).version
    assert manifest.calibration == model.manifest.calibration
    assert set(networks) == set(model.networks)
    for name, net in networks.items():
        assert not net.training
        for key, value in model.networks[name].state_dict().items():
            assert torch.equal(net.state_dict()[key], value)


def test_a_folder_holds_two_files(whole: Path) -> None:
    """Weights as safetensors and a manifest: no pickle."""
    assert sorted(path.name for path in whole.iterdir()) == [MANIFEST, WEIGHTS]
    header_size = int.from_bytes((whole / WEIGHTS).read_bytes()[:8], "little")
    assert json.loads((whole / WEIGHTS).read_bytes()[8 : 8 + header_size])


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_flipped_bit_in_the_weights_is_seen(whole: Path, scratch: Path, place: float, bit: int) -> None:
    """A single bit anywhere in the weights is enough."""
    blob = bytearray((whole / WEIGHTS).read_bytes())
    blob[int(place * len(blob))] ^= 1 << bit
    (scratch / MANIFEST).write_bytes((whole / MANIFEST).read_bytes())
    (scratch / WEIGHTS).write_bytes(blob)
    with pytest.raises(ArtifactError, match="sha256"):
        read_artifact(scratch)


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_changed_byte_in_the_manifest_is_seen(
    whole: Path, scratch: Path, place: float, byte: int
) -> None:
    """Another byte is refused, unless it changes white space or the spelling of the same value."""
    blob = (whole / MANIFEST).read_bytes()
    at = int(place * len(blob))
    changed = blob[:at] + bytes([byte]) + blob[at + 1 :]
    (scratch / MANIFEST).write_bytes(changed)
    (scratch / WEIGHTS).write_bytes((whole / WEIGHTS).read_bytes())
    try:
        same = msgspec.json.decode(changed) == msgspec.json.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError):
        same = False
    if same:
        assert read_manifest(scratch) == read_manifest(whole)
    else:
        with pytest.raises(ArtifactError):
            read_artifact(scratch)


def paths_in(plain: Any, *path: str | int) -> list[tuple[str | int, ...]]:
    """Where the manifest's values stand."""
    if isinstance(plain, dict):
        return [found for key, value in plain.items() for found in paths_in(value, *path, key)]
    if isinstance(plain, list):
        return [found for key in (0, len(plain) - 1) if plain for found in paths_in(plain[key], *path, key)]
    return [path]


def test_any_changed_value_in_the_manifest_is_seen(whole: Path, scratch: Path) -> None:
    """Every single value, calibrations and card included, is held by the checksum."""
    blob = (whole / MANIFEST).read_bytes()
    places = paths_in(json.loads(blob))
    assert len(places) > 50
    for *way, last in places:
        plain = json.loads(blob)
        part = plain
        for key in way:
            part = part[key]
        part[last] = 1 if part[last] != 1 else 2
        (scratch / MANIFEST).write_text(json.dumps(plain))
        with pytest.raises(ArtifactError):
            read_manifest(scratch)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_files_are_refused(folder: Path, name: str, share: float) -> None:
    """A download that stopped half-way is no model."""
    blob = (folder / name).read_bytes()
    (folder / name).write_bytes(blob[: int(share * len(blob))])
    with pytest.raises(ArtifactError, match=name):
        read_artifact(folder)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_missing_files_are_named(folder: Path, name: str) -> None:
    """The error says which file, and why."""
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name}: can't be read: No such file"):
        read_artifact(folder)


def test_a_newer_schema_is_named(folder: Path) -> None:
    """A model of a later release is refused for what it is, not for its unknown fields."""
    edit(folder, schema=MANIFEST_SCHEMA + 1, novelty=[])
    with pytest.raises(ArtifactError, match=f"schema is {MANIFEST_SCHEMA + 1}, wanted {MANIFEST_SCHEMA}"):
        read_artifact(folder)


@pytest.mark.parametrize("text", ["[]", "null", "{}", '"schema"', "{'schema': 1}"])
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    """Other JSON, or none, is an artifact error like any other."""
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=MANIFEST):
        read_artifact(folder)


def resealed(folder: Path, **changes: Any) -> None:
    """Write the folder anew with a changed manifest, checksums included."""
    manifest, networks = read_artifact(folder)
    save_artifact(folder, msgspec.structs.replace(manifest, **changes), networks)


def test_weights_that_do_not_fit_are_refused(folder: Path) -> None:
    """A manifest of other sizes, or of a network more or less, does not go with these weights."""
    specs = dict(read_manifest(folder).networks)
    specs["fixed"] = NetworkSpec("lstm", {"hidden": 12, "latent": 4, "position": 2})
    resealed(folder, networks=specs)
    with pytest.raises(ArtifactError, match="does not fit"):
        read_artifact(folder)


@pytest.mark.parametrize("spec", [NetworkSpec("gru", {}), NetworkSpec("lstm", {"wings": 2})])
def test_unknown_forms_and_settings_are_refused(folder: Path, spec: NetworkSpec) -> None:
    """An encoder-decoder that this release does not know is an artifact error."""
    resealed(folder, networks={"population": spec})
    with pytest.raises(ArtifactError, match="does not fit"):
        read_artifact(folder)


def test_windows_that_cannot_be_cut_are_refused(folder: Path) -> None:
    """A manifest with a sound checksum may still ask for the impossible."""
    manifest, networks = read_artifact(folder)
    object.__setattr__(manifest.windows, "samples", 5000)
    save_artifact(folder, manifest, networks)
    with pytest.raises(ArtifactError, match="windows that fit"):
        read_artifact(folder)


def test_the_version_follows_what_decides() -> None:
    """Weights, networks, windows and calibration make another version; name and card do not."""
    manifest = Manifest(name="a", weights_sha256="1")
    assert len(manifest.version) == 12
    same = {"name": "b", "card": "other", "measures": {"auroc": 1.0}, "data": {"records": "x"}}
    assert msgspec.structs.replace(manifest, **same).version == manifest.version
    for change in (
        {"weights_sha256": "2"},
        {"windows": WindowSpec(left=98)},
        {"networks": {"fixed": NetworkSpec("lstm", {})}},
        {"calibration": small_model().manifest.calibration},
    ):
        assert msgspec.structs.replace(manifest, **change).version != manifest.version


def test_saving_is_deterministic(tmp_path: Path) -> None:
    """The same networks give the same bytes."""
    torch.manual_seed(0)
    networks = {"population": build("lstm", {"hidden": 4, "latent": 4})}
    manifest = Manifest(name="m", networks={"population": NetworkSpec("lstm", {"hidden": 4, "latent": 4})})
    saved = [save_artifact(tmp_path / name, manifest, networks) for name in ("a", "b")]
    assert saved[0] == saved[1]
    for name in (WEIGHTS, MANIFEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_bundled_model_is_sound() -> None:
    """The default model reads, weighs less than 1 MB, and says what it is not."""
    manifest, networks = read_artifact(default_model())
    assert {"population", "fixed"} <= set(networks)
    assert set(manifest.calibration) == set(networks) == set(manifest.networks)
    assert sum(path.stat().st_size for path in default_model().iterdir()) < 1_000_000
    assert "not a medical device" in manifest.card

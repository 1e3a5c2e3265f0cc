"""A model is a folder: `weights.safetensors` and `manifest.json` with everything that inference needs."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from monitor.ecg.windows import WindowSpec
from monitor.errors import ArtifactError
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.registry import build
from monitor.model.calibration import Calibration

MANIFEST_SCHEMA = 1
WEIGHTS, MANIFEST = "weights.safetensors", "manifest.json"


class NetworkSpec(msgspec.Struct, frozen=True):
    """Which encoder-decoder and its sizes."""

    form: str
    settings: dict[str, Any]


class RateTable(msgspec.Struct, frozen=True):
    """Events an hour on held-out normal ECG, at each threshold of surprise (minus log10 p).

    Of the median patient for beats, of the mean for fixed windows: see training.fit.calibration.
    """

    surprise: tuple[float, ...]
    per_hour: tuple[float, ...]


class TermCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict's terms, each with its own distribution, and the fused statistic by usable leads."""

    terms: dict[str, Calibration]
    fused: dict[str, Calibration]  # by number of usable leads: "1", and "2" for more
    rates: dict[str, RateTable]  # the same keys
    settled: dict[str, Calibration] = {}  # of the surprise less the stream's own level; the same keys


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a model but its weights."""

    name: str
    schema: int = MANIFEST_SCHEMA
    weights_sha256: str = ""
    windows: WindowSpec = WindowSpec()
    networks: dict[str, NetworkSpec] = {}  # "usual" (contextual form, may be absent), "population", "fixed"
    calibration: dict[str, TermCalibration] = {}  # the same keys
    default_budget_per_hour: float = 0.5
    data: dict[str, Any] = {}  # what it was trained on, with checksums
    code: dict[str, Any] = {}  # versions of what trained it
    measures: dict[str, Any] = {}
    card: str = "Research use, not a medical device."

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits over weights, networks, windows and calibration."""
        decides = (self.weights_sha256, self.windows, self.networks, self.calibration)
        return hashlib.sha256(msgspec.json.encode(decides, order="deterministic")).hexdigest()[:12]


def default_model() -> Path:
    """The bundled model's folder."""
    return Path(str(files("monitor"))) / "models" / "default"


def save_artifact(folder: Path, manifest: Manifest, networks: dict[str, EncoderDecoder]) -> Manifest:
    """Write both files; returns the manifest with the weights' checksum."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, net in networks.items()
        for key, value in net.state_dict().items()
    }
    blob = save_tensors(tensors)
    manifest = msgspec.structs.replace(manifest, weights_sha256=hashlib.sha256(blob).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(blob)
    (folder / MANIFEST).write_bytes(
        msgspec.json.format(msgspec.json.encode(_sealed(manifest)), indent=1) + b"\n"
    )
    return manifest


def _sealed(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain data with a checksum of itself, so that no edit goes unseen."""
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    return {**plain, "manifest_sha256": _checksum(plain)}


def _checksum(plain: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest, checked against its schema and its own checksum; raises ArtifactError."""
    path = folder / MANIFEST
    try:
        plain = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as exc:
        raise ArtifactError(f"{path}: can't be read: {exc.strerror}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ArtifactError(f"{path}: not a JSON object: {exc}") from exc
    if plain.get("schema") != MANIFEST_SCHEMA:
        raise ArtifactError(f"{path}: schema is {plain.get('schema')!r:.40}, wanted {MANIFEST_SCHEMA}")
    seal = plain.pop("manifest_sha256", None)
    if seal != _checksum(plain):
        raise ArtifactError(
            f"{path}: checksum is {_checksum(plain)[:12]}…, wanted {str(seal)[:12]}…; it was changed"
        )
    try:
        return msgspec.convert(plain, Manifest)
    except (msgspec.ValidationError, ValueError) as exc:
        raise ArtifactError(f"{path}: {exc}") from exc


def read_artifact(folder: Path) -> tuple[Manifest, dict[str, EncoderDecoder]]:
    """Manifest and networks; raises ArtifactError if anything is missing, changed, or too new."""
    manifest = read_manifest(folder)
    path = folder / WEIGHTS
    try:
        blob = path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"{path}: can't be read: {exc.strerror}") from exc
    got = hashlib.sha256(blob).hexdigest()
    if got != manifest.weights_sha256:
        raise ArtifactError(f"{path}: sha256 is {got[:12]}…, wanted {manifest.weights_sha256[:12]}…")
    try:
        tensors = load_tensors(blob)
        networks = {name: build(spec.form, spec.settings) for name, spec in manifest.networks.items()}
        for name, net in networks.items():
            _fill(name, net, tensors)
    except (SafetensorError, ValueError, TypeError, RuntimeError) as exc:
        raise ArtifactError(f"{path}: does not fit its manifest: {exc}") from exc
    return manifest, networks


def _fill(name: str, net: EncoderDecoder, tensors: dict[str, torch.Tensor]) -> None:
    prefix = f"{name}."
    net.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    net.eval()

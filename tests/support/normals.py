"""Made-up patients, and small networks that learn from them in a moment."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from monitor.ecg.windows import WindowSpec
from monitor.model.artifact import NetworkSpec
from monitor.recordings.synthetic import SyntheticEcg, synthetic_ecg
from training.data.normals import NormalRecord, PatientNormals, normals_of
from training.fit.loop import EpochRecord, FitSettings
from training.fit.recipe import Recipe

SPEC = WindowSpec()
WIDE = range(20, 150, 13)  # of a patient's beats, the ventricular ones
_SMALL = {"hidden": 8, "latent": 4, "position": 2}


def made_up(seconds: float, seed: int = 0, ventricular: Collection[int] = WIDE) -> SyntheticEcg:
    """ECG whose rate and noise go by its seed."""
    return synthetic_ecg(
        seconds,
        rate_hz=250.0,
        beats_per_minute=62.0 + 5 * seed,
        noise_mv=0.01 + 0.004 * seed,
        ventricular=ventricular,
        seed=seed,
    )


def normal_record(ecg: SyntheticEcg, name: str = "a") -> NormalRecord:
    """What training may know of made-up ECG."""
    return NormalRecord(name, ecg.rate_hz, ecg.ecg_mv, ecg.r_peak[~ecg.ventricular])


@lru_cache(maxsize=16)
def patient(name: str, seconds: float = 60.0, seed: int = 0) -> PatientNormals:
    """One made-up patient's normals."""
    return normals_of(normal_record(made_up(seconds, seed), name), SPEC)


def patients(names: str = "abcd", seconds: float = 60.0) -> list[PatientNormals]:
    """A patient a letter, each another; 200 s of four of them are enough to calibrate on."""
    return [patient(name, seconds, seed) for seed, name in enumerate(names)]


def small_recipes(form: str = "contextual", epochs: int = 2, seed: int = 0) -> dict[str, Recipe]:
    """The networks of either form, but small ones."""
    settings = FitSettings(epochs=epochs, batch=64, seed=seed)
    networks = {
        "population": NetworkSpec("lstm", _SMALL),
        "fixed": NetworkSpec("lstm", _SMALL),
        "usual": NetworkSpec("contextual", {**_SMALL, "decoder": 8}),
    }
    return {
        name: Recipe(network=network, settings=settings)
        for name, network in networks.items()
        if form == "contextual" or name != "usual"
    }


class KilledError(Exception):
    """A run is broken off here; no KeyboardInterrupt, which would end the tests if it got out."""


def quiet(label: str, record: EpochRecord) -> None:
    """Nobody watches."""


def pickles(folder: Path) -> list[Path]:
    """Files that begin as a pickle does, or as the archive that torch.save puts one into."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.read_bytes()[:2] in (b"PK", *(bytes([0x80, v]) for v in range(6)))]

"""Protocol `denoising`: how much of the noise stress test's noise a model's reconstruction takes off."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.scoring import run_tiled
from training.data.noise_records import noise_halves
from training.data.normals import normals_of
from training.data.records import DS2, normal_records
from training.fit.objectives.corruption import add_noise
from training.measure.measures import ratio_figure
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import figure_table


def snr_gain_db(
    clean: NDArray[np.float32], noisy: NDArray[np.float32], found: NDArray[np.float32]
) -> NDArray[np.float64]:
    """10 log10 of the noisy windows' squared error over the reconstructions', (n,); all (n, samples).

    The signal's power is in both ratios and falls out.
    """
    before, after = (((part - clean).astype(np.float64) ** 2).sum(axis=1) for part in (noisy, found))
    return np.asarray(10 * np.log10(before / after), np.float64)


def denoising_gain_db(
    net: EncoderDecoder,
    clean: NDArray[np.float32],
    noise: NDArray[np.float32],
    snr_db: float,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Each window's gain with a piece of noise from a random place at this ratio, (n,).

    clean: (n, samples) mV; noise: (m,), at least as long as a window.
    """
    window = torch.from_numpy(clean)
    random = np.random.default_rng(seed)
    first = random.integers(0, len(noise) - clean.shape[1] + 1, len(clean))
    pieces = torch.from_numpy(noise[first[:, None] + np.arange(clean.shape[1])])
    noisy = add_noise(window, pieces, torch.full((len(window),), snr_db))
    return snr_gain_db(clean, noisy.numpy(), run_tiled(net, Inputs(noisy)).mean)


SNR_DB = (0, 6, 12)
TARGET_DB = 0.0  # above it the reconstruction is nearer to the clean beat than the noisy one is
BEATS = 300  # of a patient, spread over the recording


def run(request: Request) -> Result:
    """Mean gain in dB by noise and signal-to-noise ratio, over patients that the model has not seen.

    The noise is the records' second half; the first is what a denoising model is trained with.
    """
    model = request.required_model()
    noises = {name: later for name, (_, later) in noise_halves(request.data, model.manifest.windows).items()}
    names = [name for name in DS2 if name in request.records] if request.records else list(DS2)
    gains: dict[str, list[float]] = {}
    with request.bar("denoising", len(names)) as advance:
        for record in normal_records(request.data, names):
            beats = normals_of(record, model.manifest.windows).beats
            clean = beats.beat[beats.good]
            for group, gain in _gains(model.networks["population"], _some(clean), noises).items():
                gains.setdefault(group, []).append(gain)
            advance(1)
    figures = [
        ratio_figure(
            "snr_gain_db", group, values, [1.0] * len(values), target=TARGET_DB if "all/" in group else None
        )
        for group, values in gains.items()
    ]
    return Result(
        figures=figures,
        tables=[figure_table("Signal-to-noise ratio gained, mean over patients", figures)],
        details={"gain_db": gains, "records": names},
    )


def _gains(
    net: EncoderDecoder, clean: NDArray[np.float32], noises: dict[str, NDArray[np.float32]]
) -> dict[str, float]:
    """One patient's mean gain by noise and ratio, and over all noises."""
    out: dict[str, float] = {}
    for snr_db in SNR_DB:
        own = {
            name: float(denoising_gain_db(net, clean, noise, snr_db).mean()) for name, noise in noises.items()
        }
        out |= {f"{name}/{snr_db}dB": gain for name, gain in own.items()}
        out[f"all/{snr_db}dB"] = float(np.mean(list(own.values())))
    return out


def _some(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    chosen = np.linspace(0, len(windows) - 1, min(BEATS, len(windows))).astype(np.int64)
    return np.ascontiguousarray(windows[chosen])


PROTOCOL = Protocol(
    name="denoising",
    summary="em, ma and bw noise of nstdb on DS2's normal beats: how much nearer the population network's"
    " reconstruction is to the clean beat than the noisy one; about 1 minute",
    run=run,
)

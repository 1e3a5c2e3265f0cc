"""One kind of encoder-decoder trained and measured on what all kinds get."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from monitor.model.autoencoders.composed import ComposedEncoderDecoder
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.registry import build
from monitor.model.scoring import run_tiled, window_error
from training.compare.baselines import Baselines, calibrated, error_by_lead
from training.compare.contenders import ECG5000_FIT, Contender
from training.compare.data import Budget, KindData
from training.data.ecg5000_beats import HELD_OUT
from training.fit.loop import EpochRecord, FitSettings, OnEpoch
from training.fit.objectives.examples import OBJECTIVES
from training.fit.objectives.settings import regularised
from training.fit.windows import fit_windows
from training.measure.distortion import keep
from training.measure.measures import PatientScores
from training.measure.splits import areas
from training.progress import Advance

TIMED_WINDOWS, TIMED_RUNS = 4096, 5

WORK_SCORING, WORK_SPLIT = 2.0, 3.0  # beside an epoch's 1


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What one kind costs and what it gives.

    train_s: of CPU, on one core; error_uv: root mean square over normal test beats; ratio, prd: of
    keeping latent vectors of 16-bit numbers in place of samples, NaN for a predictor, which keeps the
    window's first part; patients: the test patients' scored beats; splits: areas of each of ECG5000's.
    """

    kind: str
    what: str
    parameters: int
    epochs: int
    train_s: float
    error_uv: float
    ratio: float
    prd: float
    windows_per_s: float
    artifact_bytes: int
    patients: list[PatientScores]
    splits: list[dict[str, float]]


def work(budget: Budget) -> float:
    """How much of the progress bar one kind takes."""
    return budget.epochs + WORK_SCORING + budget.splits * WORK_SPLIT


def try_kind(
    contender: Contender, data: KindData, budget: Budget, noise: NDArray[np.float32] | None, advance: Advance
) -> Trial:
    """Train on the patients' normal beats, score the test patients' beats, and do the same on ECG5000."""
    torch.set_num_threads(1)

    def on_epoch(record: EpochRecord) -> None:
        advance(1, f"{contender.name}: epoch {record.epoch}, held out {record.held_out:.3f}")

    settings = FitSettings(epochs=budget.epochs, examples_per_epoch=budget.examples_per_epoch)
    begun = time.process_time()
    normals, held_out = data.normals(data.train), data.normals(data.held_out)
    net, epochs = train_kind(contender, normals, held_out, settings, noise, on_epoch)
    train_s = time.process_time() - begun
    advance(budget.epochs - epochs, f"{contender.name}: test patients")  # of epochs that were not needed
    patients = score_patients(net, data)
    error_uv, ratio, prd = reconstruction(net, data.normals(data.test))
    speed = windows_per_second(net, data.spec.samples)
    advance(WORK_SCORING, f"{contender.name}: ECG5000")
    splits = []
    for seed, (train, tested) in enumerate(data.splits):
        splits.append(_on_split(contender, train, tested, data.anomalous, budget, noise, seed))
        advance(WORK_SPLIT, f"{contender.name}: ECG5000, split {seed + 1}")
    return Trial(
        kind=contender.name,
        what=contender.what,
        parameters=sum(each.numel() for each in net.parameters()),
        epochs=epochs,
        train_s=train_s,
        error_uv=error_uv,
        ratio=ratio,
        prd=prd,
        windows_per_s=speed,
        artifact_bytes=len(save(net.state_dict())),
        patients=patients,
        splits=splits,
    )


def train_kind(
    contender: Contender,
    normals: NDArray[np.float32],
    held_out: NDArray[np.float32],
    settings: FitSettings,
    noise: NDArray[np.float32] | None,
    on_epoch: OnEpoch = lambda _: None,
) -> tuple[EncoderDecoder, int]:
    """A network of this kind at its best epoch, and how many it was trained for."""
    own = replace(settings, objective=contender.objective, pretraining=contender.pretraining)
    torch.manual_seed(settings.seed)
    spec = contender.network(normals.shape[1])
    net = build(spec.form, spec.settings)
    objective = regularised(OBJECTIVES["population"], contender.objective, noise)
    result = fit_windows(net, objective, normals, held_out, own, on_epoch)
    return net, len(result.history)


def window_scores(net: EncoderDecoder, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) as the worker scores windows, (n, samples): by the network's own score if it has one."""
    return window_error(run_tiled(net, Inputs(torch.from_numpy(windows))), windows)[0]


def score_patients(net: EncoderDecoder, data: KindData) -> list[PatientScores]:
    """The test patients' beats by this network and prematurity, both leads, as the baselines are scored."""
    error_of = partial(error_by_lead, spec=data.spec, score=partial(window_scores, net))
    both = Baselines(data.early, [calibrated("shape", "with prematurity", error_of, data.held_out)])
    return [beats.as_patient(both.scores(beats)["with prematurity, two leads"]) for beats in data.test]


def reconstruction(net: EncoderDecoder, windows: NDArray[np.float32]) -> tuple[float, float, float]:
    """RMS error in µV of (n, samples) mV windows, and the compression's ratio and PRD (predictors: NaN)."""
    mean = run_tiled(net, Inputs(torch.from_numpy(windows))).mean
    ahead = net.settings.ahead if isinstance(net, ComposedEncoderDecoder) else 0
    told = slice(windows.shape[1] - ahead if ahead else 0, None)
    error_uv = 1000 * float(np.sqrt(np.mean((windows - mean)[:, told].astype(np.float64) ** 2)))
    if ahead:
        return error_uv, float("nan"), float("nan")
    ratio, prd, _ = keep(net, windows).losses()
    return error_uv, ratio, prd


def windows_per_second(net: EncoderDecoder, samples: int) -> float:
    """Windows a second of CPU on one core, in the worker's tiles: the median of some runs."""
    windows = np.random.default_rng(0).standard_normal((TIMED_WINDOWS, samples)).astype(np.float32)
    inputs, rates = Inputs(torch.from_numpy(windows)), []
    run_tiled(net, inputs)
    for _ in range(TIMED_RUNS):
        begun = time.process_time()
        run_tiled(net, inputs)
        rates.append(TIMED_WINDOWS / (time.process_time() - begun))
    return median(rates)


def _on_split(
    contender: Contender,
    train: NDArray[np.float32],
    tested: NDArray[np.float32],
    anomalous: NDArray[np.float32],
    budget: Budget,
    noise: NDArray[np.float32] | None,
    seed: int,
) -> dict[str, float]:
    """AUROC and average precision on one split; `train` comes shuffled."""
    held = round(HELD_OUT * len(train))
    settings = FitSettings(
        epochs=budget.split_epochs, batch=ECG5000_FIT.batch, patience=ECG5000_FIT.patience, seed=seed
    )
    net, _ = train_kind(contender, train[held:], train[:held], settings, noise)
    return areas(window_scores(net, np.ascontiguousarray(tested)), window_scores(net, anomalous))

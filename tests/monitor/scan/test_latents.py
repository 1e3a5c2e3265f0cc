"""Latent vectors of beats, collected while a detector works."""

from __future__ import annotations

import numpy as np
import torch

from monitor.detect.detector import Detector
from monitor.model.autoencoders.interface import Inputs
from monitor.model.scoring import run_tiled
from monitor.recordings.recording import Recording
from monitor.recordings.synthetic import synthetic_ecg
from monitor.scan.latents import BeatLatents, LatentCollector
from monitor.scan.scan import scan
from tests.support.models import recording_of, small_model


def _recording(seconds: float = 60.0) -> Recording:
    return recording_of(synthetic_ecg(seconds, rate_hz=250.0, ventricular=(30, 45)))


def _latents(chunk_s: float = 10.0) -> BeatLatents:
    collector = LatentCollector(small_model())
    scan(_recording(), Detector(small_model(), watch=collector), chunk_s=chunk_s)
    return collector.latents()


def test_every_judged_beat_has_a_vector() -> None:
    """Beats and scores are those of the scan; each lead has its own vector."""
    found, beats = scan(_recording(), Detector(small_model())), _latents()
    of_beats = [kind != "fixed" for kind in found.windows.kind]
    judged = np.array(of_beats) & np.isfinite(found.windows.score)
    assert beats.sample.tolist() == found.windows.sample[judged].tolist()
    assert beats.score.tolist() == found.windows.score[judged].tolist()
    assert beats.latent.shape[:2] == (len(beats), 2)
    assert np.isfinite(beats.latent).all()


def test_chunks_make_no_difference() -> None:
    """However the signal is cut, each beat's vector is the same bit for bit."""
    assert np.array_equal(_latents(10.0).latent, _latents(1.7).latent)


def test_vectors_are_of_the_network_that_sees_the_beat() -> None:
    """A beat's own shape decides its vector: it is the population network's, contextual model or not."""
    rows = []
    scan(_recording(), Detector(small_model(), watch=lambda _, at, row: rows.append((at, row))))
    beats = _latents()
    row = next(row for at, row in rows if row.kind != "fixed" and at == beats.sample[20])
    own = run_tiled(small_model().networks["population"], Inputs(torch.from_numpy(row.window_mv.copy())))
    assert np.array_equal(own.latent, beats.latent[20])


def test_the_first_usable_lead_speaks() -> None:
    """A beat is known by its first lead, and by the next one where that was not usable."""
    nan = np.nan
    by_lead = np.array([[1, 2], [nan, 2]], np.float32)
    latent = np.array([[[1.0], [2.0]], [[nan], [4.0]]], np.float32)
    beats = BeatLatents(
        np.arange(2), np.ones(2, np.float32), np.zeros(2, np.bool_), np.full(2, "beat"), by_lead, latent
    )
    assert beats.first_lead.tolist() == [0, 1]
    assert beats.of_first_lead.tolist() == [[1.0], [4.0]]


def test_nothing_judged_is_no_error() -> None:
    """A collector that has seen no beat gives none."""
    beats = LatentCollector(small_model()).latents()
    assert (len(beats), beats.of_first_lead.shape) == (0, (0, 0))

"""Beats as latent vectors, by the network that reconstructs a beat from itself.

The contextual network's latent vector tells of the beats before a beat, not of the beat: events carry
it, but which beats look alike it cannot say.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.detect.findings import Row
from monitor.model.autoencoders.interface import Inputs
from monitor.model.model import Model
from monitor.model.scoring import run_tiled

NETWORK = "population"
_PENDING = 1024  # beats that are encoded at once: many tiles, little memory


@dataclass(frozen=True, slots=True, eq=False)
class BeatLatents:
    """One recording's n judged beats, in time order; leads that were not usable are NaN.

    sample: (n,) R peaks, input sample numbers; score: (n,) surprise; anomalous: (n,); kind: (n,) what it
    was flagged as, or "beat"; by_lead: (n, leads) each lead's own surprise; latent: (n, leads, width).
    """

    sample: NDArray[np.int64]
    score: NDArray[np.float32]
    anomalous: NDArray[np.bool_]
    kind: NDArray[np.str_]
    by_lead: NDArray[np.float32]
    latent: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.sample)

    def rows(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> BeatLatents:
        """Some of the beats."""
        return BeatLatents(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def first_lead(self) -> NDArray[np.int64]:
        """(n,) the first lead of each beat that was usable: beats of one lead can be compared."""
        return np.asarray(np.argmax(~np.isnan(self.by_lead), axis=1), np.int64)

    @property
    def of_first_lead(self) -> NDArray[np.float32]:
        """(n, width) each beat's latent vector in its first usable lead."""
        chosen: NDArray[np.float32] = self.latent[np.arange(len(self)), self.first_lead]
        return chosen


class LatentCollector:
    """Watches a detector at work on one recording, and encodes the beats that it judges."""

    def __init__(self, model: Model) -> None:
        self._net = model.networks[NETWORK]
        self._pending: list[tuple[int, Row]] = []
        self._parts: list[BeatLatents] = []

    def __call__(self, stream: str, sample: int, row: Row) -> None:
        """Take a window in; fixed ones and those that were not judged are passed over."""
        del stream
        if row.kind != "fixed" and not np.isnan(row.surprise):
            self._pending.append((sample, row))
        if len(self._pending) == _PENDING:
            self._encode()

    def latents(self) -> BeatLatents:
        """All beats so far."""
        if self._pending or not self._parts:
            self._encode()
        joined = BeatLatents(
            *(
                np.concatenate([getattr(part, field.name) for part in self._parts])
                for field in fields(BeatLatents)
            )
        )
        # A beat that was found late was also judged late.
        return joined.rows(np.argsort(joined.sample, kind="stable"))

    def _encode(self) -> None:
        samples, rows = [at for at, _ in self._pending], [row for _, row in self._pending]
        self._pending = []
        by_lead, latent = np.zeros((0, 1), np.float32), np.zeros((0, 1, 0), np.float32)
        if rows:
            by_lead = np.array([row.by_lead for row in rows], np.float32)
            usable = ~np.isnan(by_lead)
            window_mv = np.stack([row.window_mv for row in rows])
            out = run_tiled(self._net, Inputs(torch.from_numpy(window_mv[usable])))
            latent = np.full((*usable.shape, out.latent.shape[1]), np.nan, np.float32)
            latent[usable] = out.latent
        self._parts.append(
            BeatLatents(
                sample=np.array(samples, np.int64),
                score=np.array([row.surprise for row in rows], np.float32),
                anomalous=np.array([row.anomalous for row in rows], np.bool_),
                kind=np.array([row.kind for row in rows], np.str_),
                by_lead=by_lead,
                latent=latent,
            )
        )

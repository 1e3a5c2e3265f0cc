"""How far a beat lies from the normal beats most like it: the scores that need no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

# Chosen on MIT-BIH's DS1 (protocol `beatgan` on its 22 records alone), and used as they are on ECG5000.
COMPONENTS = 24
NEIGHBOURS = 60
RIDGE = 6e-4  # share of the normal beats' total variance that is added to each component's
OWN_POWER = 0.6  # how much of the neighbour's own distance divides the distance to it
_CHUNK = 1024  # queries at a time: 300 MB of distances to 72,000 beats
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components of normal beats. d samples, k components.

    mean: (d,); axes: (d, k) orthonormal, the largest variance first; variance: of all d together.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    variance: float

    def project(self, beats: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) beats → (n, k)."""
        return np.asarray((beats - self.mean) @ self.axes, np.float32)


def principal_components(normals: NDArray[np.float32], count: int) -> Components:
    """The first `count` components of (n, d) normal beats, or all d if these are fewer."""
    _, vectors = np.linalg.eigh(covariance := np.cov(normals, rowvar=False, dtype=np.float64))
    axes = vectors[:, ::-1][:, :count].astype(np.float32)  # eigh's ascend
    return Components(normals.mean(axis=0), axes, float(np.trace(covariance)))


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The normal beats nearest to each of n beats, the nearest first.

    distance: (n, k) Euclidean; index: (n, k) rows of the normal beats.
    """

    distance: NDArray[np.float32]
    index: NDArray[np.int64]


def nearest(normals: NDArray[np.float32], beats: NDArray[np.float32], count: int) -> Neighbours:
    """The `count` normal beats (or all, if these are fewer) nearest to each beat; both (n, k)."""
    count = min(count, len(normals))
    reference = torch.from_numpy(normals)
    square = (reference**2).sum(dim=1)
    distance = np.empty((len(beats), count), np.float32)
    index = np.empty((len(beats), count), np.int64)
    for rows in _chunks(len(beats), _CHUNK):
        part = torch.from_numpy(beats[rows])
        # The part's own square is the same for every normal beat, so the order does not need it.
        less = torch.addmm(square[None], part, reference.T, alpha=-2)
        values, index_of = torch.topk(less, count, dim=1, largest=False)
        distance[rows] = (values + (part**2).sum(dim=1, keepdim=True)).clamp(min=0).sqrt().numpy()
        index[rows] = index_of.numpy()
    return Neighbours(distance, index)


def nearest_others(normals: NDArray[np.float32], rows: NDArray[np.int64], count: int) -> Neighbours:
    """The normal beats nearest to some of themselves, left out one at a time; rows: (n,) which."""
    found = nearest(normals, normals[rows], count + 1)
    # Rounding or a duplicate may put another before the beat itself: whichever comes first, one is dropped.
    is_self = found.index == rows[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    kept = (len(rows), found.index.shape[1] - 1)
    return Neighbours(found.distance[~is_self].reshape(kept), found.index[~is_self].reshape(kept))


def scaled_distance(normals: NDArray[np.float32], near: Neighbours) -> NDArray[np.float64]:
    """Distance to the nearest normal beat over (that beat's own distance to the others)^0.6, (n,)."""
    rows, back = np.unique(near.index[:, 0], return_inverse=True)
    own = nearest_others(normals, rows, 1).distance[back, 0].astype(np.float64)
    return np.asarray(near.distance[:, 0] / (own + _TINY) ** OWN_POWER, np.float64)


def local_mahalanobis(
    normals: NDArray[np.float32], beats: NDArray[np.float32], near: Neighbours, ridge: float
) -> NDArray[np.float64]:
    """How far each beat strays from its neighbours, in units of how far these stray, (n,).

    m² = (x − μ)ᵀ (Σ + λI)⁻¹ (x − μ), with μ and Σ the mean and covariance of the beat's own
    neighbours and λ = `ridge`, a variance; normals, beats: (·, k) components. A single covariance for
    all normal beats cannot do this: a P wave's place varies in one patient and not in the next.
    """
    reference, eye = torch.from_numpy(normals), torch.eye(normals.shape[1])
    out = np.empty(len(beats))
    for rows in _chunks(len(beats), _CHUNK):
        around = reference[torch.from_numpy(near.index[rows])]  # (chunk, neighbours, k)
        mean = around.mean(dim=1)
        spread = around - mean[:, None]
        covariance = spread.transpose(1, 2) @ spread / spread.shape[1] + ridge * eye
        error = (torch.from_numpy(beats[rows]) - mean)[:, :, None]
        whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), error, upper=False)
        out[rows] = whitened.square().sum(dim=(1, 2)).sqrt().numpy()
    return out


@dataclass(frozen=True, slots=True, eq=False)
class LocalScorer:
    """Normal beats, ready to judge others; components: (n, k) of the normal beats themselves."""

    axes: Components
    components: NDArray[np.float32]
    ridge: float

    def score(self, beats: NDArray[np.float32]) -> NDArray[np.float64]:
        """Local Mahalanobis distance of (n, d) beats, (n,)."""
        projected = self.axes.project(beats)
        near = nearest(self.components, projected, NEIGHBOURS)
        return local_mahalanobis(self.components, projected, near, self.ridge)

    def own_scores(self) -> NDArray[np.float64]:
        """What each normal beat scores among the others, (n,): a threshold comes from these."""
        near = nearest_others(self.components, np.arange(len(self.components)), NEIGHBOURS)
        return local_mahalanobis(self.components, self.components, near, self.ridge)


def local_scorer(normals: NDArray[np.float32]) -> LocalScorer:
    """A scorer of beats by (n, d) normal ones."""
    axes = principal_components(normals, COMPONENTS)
    return LocalScorer(axes, axes.project(normals), RIDGE * axes.variance)


def _chunks(total: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, total, size)]

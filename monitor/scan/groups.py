"""A recording's anomalous beats in a few groups of alike ones, for a reader who can't look at thousands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from monitor.scan.latents import BeatLatents

# Scatter of beats within their groups, in units of that of the recording's usual beats. Chosen on DS1: of
# 0.5 to 1.5 the largest at which nearly as many beats are in a group of their own class as with 0.5.
SCATTER = 0.85
MAX_GROUPS = 8  # a reader's few
LINKED = 2000  # beats that are linked: time and memory grow with their square, and this takes 0.2 s


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Alike beats, in time order, and the one that is most like all of them."""

    sample: NDArray[np.int64]  # (n,) R peaks, input sample numbers
    typical: int  # its R peak
    lead: int  # its first usable one: strips of one lead can be compared
    kinds: dict[str, int]  # beats by what they were flagged as, the most first

    def __len__(self) -> int:
        return len(self.sample)


def group_anomalies(beats: BeatLatents) -> list[Group]:
    """The anomalous beats in at most MAX_GROUPS groups, the largest first.

    By the latent vectors of all leads together. How much alike beats may differ is told by the recording
    itself: SCATTER times what its own beats do that were not flagged.
    """
    chosen = beats.rows(beats.anomalous)
    if not len(chosen):
        return []
    vectors = _vectors(beats)
    spread = _spread(vectors[~beats.anomalous], vectors[beats.anomalous])
    vectors = _filled(vectors[beats.anomalous])
    groups = cluster(vectors, SCATTER * spread)
    members = [np.flatnonzero(groups == each) for each in np.unique(groups)]
    found = [_group(chosen, vectors, rows) for rows in members]
    return sorted(found, key=lambda group: (-len(group), group.typical))


def cluster(vectors: NDArray[np.float64], scatter: float) -> NDArray[np.int64]:
    """Each row's group, (n,): as few as keep the rows within `scatter` (RMS) of their group's mean.

    vectors: (n, width), n >= 1. Ward's linkage (1963), which adds least to that scatter with every step;
    average linkage makes one group of all shapes between which there are some. MAX_GROUPS are the most.
    Of more than LINKED rows so many are linked, evenly spread over all, and the others join the group
    whose mean is nearest.
    """
    n = len(vectors)
    some = np.unique(np.linspace(0, n - 1, min(n, LINKED)).astype(np.int64))
    groups = _linked(vectors[some], scatter)
    if len(some) == n:
        return groups
    means = np.stack([vectors[some][groups == each].mean(axis=0) for each in np.unique(groups)])
    square = np.stack([np.square(vectors - mean).sum(axis=1) for mean in means], axis=1)
    return np.asarray(square.argmin(axis=1), np.int64)


def _linked(vectors: NDArray[np.float64], scatter: float) -> NDArray[np.int64]:
    n = len(vectors)
    if n == 1:
        return np.zeros(1, np.int64)
    tree = linkage(vectors, "ward")
    # A height squared is twice what its step adds to the sum of squares about the groups' means.
    added = np.concatenate([[0.0], np.cumsum(np.square(tree[:, 2]) / 2)])
    within = np.sqrt(added[::-1] / n)  # with 1, 2, ... groups
    tight = np.flatnonzero(within[:MAX_GROUPS] <= scatter)
    count = int(tight[0]) + 1 if len(tight) else MAX_GROUPS
    return np.asarray(fcluster(tree, count, "maxclust"), np.int64)


def _vectors(beats: BeatLatents) -> NDArray[np.float64]:
    """Latent vectors side by side of the leads that were usable in most beats, (n, leads × width)."""
    usable = (~np.isnan(beats.by_lead)).mean(axis=0)
    latent = beats.latent[:, usable >= min(0.5, usable.max())].astype(np.float64)
    return latent.reshape(len(latent), latent.shape[1] * latent.shape[2])


def _filled(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vectors with each lead that was not usable as in the most alike beat that has all leads.

    That makes beats neither alike nor different; with any fixed value, those that lack a lead would be a
    shape of their own. Where no beat has all leads, what is missing is 0.
    """
    known = ~np.isnan(vectors)
    whole = vectors[known.all(axis=1)][:LINKED]
    filled = np.where(known, vectors, 0.0)
    for row in np.flatnonzero(~known.all(axis=1)) if len(whole) else ():
        there = known[row]
        nearest = np.square(whole[:, there] - vectors[row, there]).sum(axis=1).argmin()
        filled[row, ~there] = whole[nearest, ~there]
    return filled


def _spread(usual: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    """Root mean square distance of the usual beats from their mean; of the anomalous, if they are all."""
    whole = usual[~np.isnan(usual).any(axis=1)]
    vectors = whole if len(whole) > 1 else _filled(anomalous)
    return float(np.sqrt(vectors.var(axis=0).sum()))


def _group(beats: BeatLatents, vectors: NDArray[np.float64], rows: NDArray[np.int64]) -> Group:
    away = np.square(vectors[rows] - vectors[rows].mean(axis=0)).sum(axis=1)
    typical = rows[away.argmin()]
    return Group(
        sample=beats.sample[rows],
        typical=int(beats.sample[typical]),
        lead=int(beats.first_lead[typical]),
        kinds=dict(Counter(beats.kind[rows].tolist()).most_common()),
    )

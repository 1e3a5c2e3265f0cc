"""One-class detectors of the textbooks, trained on normal beats of one lead at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from torch import nn

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.scoring import run_tiled

Windows = NDArray[np.float32]  # (n, samples) mV
Score = Callable[[Windows], NDArray[np.float64]]  # (n,) higher is stranger
Fit = Callable[[Windows], Score]

COMPONENTS = 12  # as many numbers as the LSTM's latent vector has
SVM_BEATS = 4000  # its time grows with the square of them
FOREST_TREES = 200
HIDDEN, EPOCHS, BATCH = 64, 6, 256


def principal_components(normal: Windows) -> Score:
    """Squared error of the reconstruction from principal components."""
    pca = PCA(COMPONENTS, random_state=0).fit(normal)
    return lambda windows: squared_error(windows, pca.inverse_transform(pca.transform(windows)))


def one_class_svm(normal: Windows) -> Score:
    """Distance beyond the boundary of a one-class support vector machine (Schölkopf et al. 2001)."""
    scaler = StandardScaler().fit(normal)
    some = np.random.default_rng(0).choice(len(normal), min(SVM_BEATS, len(normal)), replace=False)
    svm = OneClassSVM(nu=0.1, gamma="scale").fit(scaler.transform(normal[np.sort(some)]))
    return lambda windows: -svm.decision_function(scaler.transform(windows))


def isolation_forest(normal: Windows) -> Score:
    """How few random cuts isolate a beat (Liu, Ting & Zhou 2008)."""
    forest = IsolationForest(n_estimators=FOREST_TREES, random_state=0).fit(normal)
    return lambda windows: -forest.score_samples(windows)


def dense_autoencoder(normal: Windows) -> Score:
    """Squared error of an autoencoder of dense layers with a latent vector of the LSTM's width."""
    torch.manual_seed(0)
    samples = normal.shape[1]
    encoder = (nn.Linear(samples, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, COMPONENTS))
    decoder = (nn.Linear(COMPONENTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, samples))
    net = nn.Sequential(*encoder, *decoder)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    data = torch.from_numpy(normal)
    for _ in range(EPOCHS):
        order = torch.randperm(len(data))
        for start in range(0, len(order), BATCH):
            batch = data[order[start : start + BATCH]]
            loss = nn.functional.mse_loss(net(batch), batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def score(windows: Windows) -> NDArray[np.float64]:
        with torch.inference_mode():
            return squared_error(windows, net(torch.from_numpy(windows)).numpy())

    return score


def lstm(net: EncoderDecoder) -> Score:
    """Squared error of a plain LSTM encoder-decoder that is trained already."""
    return lambda windows: squared_error(windows, run_tiled(net, Inputs(torch.from_numpy(windows))).mean)


def squared_error(windows: Windows, expected: Windows) -> NDArray[np.float64]:
    """Mean squared error of each window, (n,)."""
    error: NDArray[np.float64] = np.mean((windows - expected).astype(np.float64) ** 2, axis=1)
    return error

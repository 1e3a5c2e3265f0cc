"""The kinds of encoder-decoder that `ecg-train compare` trains side by side."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.model.artifact import NetworkSpec
from training.fit.architecture import Architecture
from training.fit.loop import FitSettings
from training.fit.objectives.settings import ObjectiveSettings, objective_settings
from training.fit.pretraining import PretrainingSettings

LATENT = 12  # of every kind but the overcomplete one: the same room for each
ECG5000_FIT = FitSettings(epochs=60, batch=64, patience=15)  # of any network on its few beats
OVERCOMPLETE = 144  # wider than a beat's 104 samples and ECG5000's 140
DEFAULT = "lstm"  # what the others are compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One kind: what it is made of, what it minimises, and what it begins with."""

    name: str
    what: str  # in a few words
    architecture: Architecture
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    pretraining: PretrainingSettings | None = None

    def network(self, samples: int) -> NetworkSpec:
        """The network for windows of so many samples; raises ValueError if there can be none."""
        rate_hz = INTERNAL_RATE_HZ / WindowSpec().step
        return self.architecture.network(samples, rate_hz, LATENT, self.objective)


_STACK, _MIRRORED = {"hidden": [64, 32]}, {"hidden": [32, 64]}
_SIGMOID = {"activation": "sigmoid"}

CONTENDERS = (
    Contender(name=DEFAULT, what="LSTM to LSTM, the default", architecture=Architecture()),
    Contender(
        name="lstm-stacked",
        what="two layers each way",
        architecture=Architecture(encoder_settings={"depth": 2}, decoder_settings={"depth": 2}),
    ),
    Contender(
        name="lstm-bidirectional",
        what="both directions each way",
        architecture=Architecture(
            encoder_settings={"bidirectional": True}, decoder_settings={"bidirectional": True}
        ),
    ),
    Contender(name="dense", what="dense to dense, undercomplete", architecture=Architecture(encoder="dense")),
    Contender(name="pca", what="principal components, closed form", architecture=Architecture(encoder="pca")),
    Contender(name="conv", what="convolutions to convolutions", architecture=Architecture(encoder="conv")),
    Contender(
        name="lstm-dense",
        what="LSTM encoder, dense decoder",
        architecture=Architecture(encoder="lstm", decoder="dense"),
    ),
    Contender(
        name="conv-lstm",
        what="convolutional encoder, LSTM decoder",
        architecture=Architecture(encoder="conv", decoder="lstm"),
    ),
    Contender(
        name="lstm-conv",
        what="LSTM encoder, convolutional decoder",
        architecture=Architecture(encoder="lstm", decoder="conv"),
    ),
    Contender(
        name="sparse",
        what="dense, overcomplete, few units active",
        architecture=Architecture(encoder="dense", latent=OVERCOMPLETE),
        objective=objective_settings("sparse"),
    ),
    Contender(
        name="denoising",
        what="LSTM, of beats with real noise",
        architecture=Architecture(),
        objective=objective_settings("denoising"),
    ),
    Contender(
        name="contractive",
        what="LSTM, small Jacobian of the encoder",
        architecture=Architecture(),
        objective=objective_settings("contractive"),
    ),
    Contender(
        name="variational",
        what="LSTM, score is the reconstruction probability",
        architecture=Architecture(score="probability"),
        objective=objective_settings("variational"),
    ),
    Contender(
        name="stacked",
        what="dense, pre-trained layer by layer",
        architecture=Architecture(encoder="dense", encoder_settings=_STACK, decoder_settings=_MIRRORED),
        pretraining=PretrainingSettings(kind="greedy"),
    ),
    Contender(
        name="deep-rbm",
        what="dense, pre-trained as Boltzmann machines",
        architecture=Architecture(
            encoder="dense", encoder_settings=_STACK | _SIGMOID, decoder_settings=_MIRRORED | _SIGMOID
        ),
        pretraining=PretrainingSettings(kind="rbm"),
    ),
    Contender(
        name="predictor",
        what="LSTM, tells the last 0.2 s from what is before",
        architecture=Architecture(ahead_s=0.2),
    ),
    Contender(
        name="neighbours",
        what="LSTM, score is the nearest normal latent vector",
        architecture=Architecture(score="neighbours"),
    ),
)


def contenders_of(names: list[str]) -> list[Contender]:
    """Those of these names, all if there are none; the default is always among them, and first.

    Raises ValueError for a name that there is not.
    """
    known = {each.name: each for each in CONTENDERS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"kind is {', '.join(unknown)}, wanted some of {', '.join(known)}")
    wanted = {DEFAULT, *(names or known)}
    return [each for each in CONTENDERS if each.name in wanted]

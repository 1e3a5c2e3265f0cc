"""Protocol `ablation`: the shipped model with one part taken out at a time, on DS2's annotated R peaks.

The networks stay as they were trained; whatever changes the distribution of a term is calibrated anew,
on the normals of the patients that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction
from monitor.model.model import OWN, Model, Thresholds, Verdicts
from monitor.model.terms import Terms
from training.compare import beside
from training.compare.beside import gain_figures
from training.data.normals import PatientNormals
from training.data.records import DS2, AnnotatedRecord, normal_records, total_s
from training.errors import DataError
from training.fit.build import all_normals
from training.fit.calibration import calibrate
from training.measure.annotated import score_annotated
from training.measure.measures import PatientScores
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import WITHOUT, without_odd_one

KIND = "usual"  # the network that is taken apart
FLAT = 3.0  # log spread far above every error: Student's t is then the squared error

Change = Callable[[Inputs, Reconstruction], Reconstruction]


class Changed(EncoderDecoder):
    """A network with its inputs or its output changed."""

    contextual = True

    def __init__(self, net: EncoderDecoder, change: Change, *, history: bool = True) -> None:
        super().__init__()
        self.net, self.change, self.history = net, change, history

    def forward(self, inputs: Inputs) -> Reconstruction:
        """The network's reconstruction, changed."""
        if not self.history and inputs.past is not None:
            inputs = replace(inputs, past=torch.zeros_like(inputs.past))
        out: Reconstruction = self.net(inputs)
        return self.change(inputs, out)


class ShapeOnly(Model):
    """A model that is blind to rhythm."""

    def judge(self, kind: str, terms: Terms, own_level: NDArray[np.float64] | None = None) -> Verdicts:
        """Verdicts from the error alone."""
        return super().judge(kind, terms if kind == "fixed" else replace(terms, others={}), own_level)


class NeverAgain(Model):
    """A model that remembers no strange shape."""

    def judge_beats(self, batch: BeatBatch, own: Mapping[int, Thresholds] = OWN) -> Verdicts:
        """Verdicts as if every strange beat were the first."""
        return super().judge_beats(replace(batch, recurrence=np.zeros(len(batch.ready))), own)


class AllAlike(Model):
    """A model to which every stream is as restless as the population."""

    def judge(self, kind: str, terms: Terms, own_level: NDArray[np.float64] | None = None) -> Verdicts:
        """Verdicts with nothing taken off."""
        del own_level
        return super().judge(kind, terms)


def as_it_is(inputs: Inputs, out: Reconstruction) -> Reconstruction:
    """No change."""
    del inputs
    return out


def flat_spread(inputs: Inputs, out: Reconstruction) -> Reconstruction:
    """One spread everywhere: the plain squared error."""
    del inputs
    return replace(out, log_spread=torch.full_like(out.mean, FLAT))


def usual_mean(inputs: Inputs, out: Reconstruction) -> Reconstruction:
    """The usual beat expected as it is, without the decoder's correction."""
    return out if inputs.usual is None else replace(out, mean=inputs.usual)


def run(request: Request) -> Result:
    """The whole model beside itself without a part, and what that part adds to average precision."""
    model = request.required_model()
    if not model.contextual:
        raise DataError(f"{model.name} is not of the contextual form: there is nothing to take out")
    names = request.names(DS2)
    trained_on = request.unseen(names).manifest.data.get("records", ())
    patients = all_normals(normal_records(request.data, trained_on), model.manifest.windows, request.bar)
    whole, without = _score(request, model, request.read(names), patients)
    figures = []
    for name, scores in without.items():
        group = f"{WITHOUT}/{name.replace(' ', '-')}"
        for figure in gain_figures(without_odd_one(whole) or whole, without_odd_one(scores) or scores, group):
            figures.append(msgspec.structs.replace(figure, target=None, met=None))
    return Result(
        figures=figures,
        tables=[beside.table("Without a part, annotated R peaks, without 232", whole, without)],
        details={"variants": beside.rows_of(whole, without)},
    )


def _score(
    request: Request, model: Model, records: list[AnnotatedRecord], patients: list[PatientNormals]
) -> tuple[list[PatientScores], dict[str, list[PatientScores]]]:
    models = variants(model, patients)
    with request.bar("scores", total_s(records) * (len(models) + 3)) as advance:
        whole = score_annotated(records, model, advance)
        without = {name: score_annotated(records, each, advance) for name, each in models.items()}
        without["without a second usual beat"] = score_annotated(records, model, advance, second_usual=False)
        without["first lead alone"] = score_annotated(
            [first_lead(record) for record in records], model, advance
        )
    return whole, without


def variants(model: Model, patients: list[PatientNormals]) -> dict[str, Model]:
    """The model without a part, by what is missing; calibrated on the patients' normals."""
    net = model.networks[KIND]
    changed = {
        "without history": Changed(net, as_it_is, history=False),
        "without expected spread": Changed(net, flat_spread),
        "without correction of the usual beat": Changed(net, usual_mean),
    }
    blind = {
        "without rhythm terms": ShapeOnly,
        "without recurrence": NeverAgain,
        "without restlessness": AllAlike,
    }
    whole = model.manifest, model.networks, model.budget_per_hour
    out: dict[str, Model] = {name: form(*whole) for name, form in blind.items()}
    for name, network in changed.items():
        own = calibrate(KIND, [(network.eval(), patients)], model.manifest.windows)
        manifest = msgspec.structs.replace(
            model.manifest, calibration={**model.manifest.calibration, KIND: own}
        )
        out[name] = Model(manifest, {**model.networks, KIND: network}, model.budget_per_hour)
    return out


def first_lead(record: AnnotatedRecord) -> AnnotatedRecord:
    """The same record as a monitor with one lead would see it."""
    recording = record.recording
    return replace(
        record, recording=replace(recording, leads=recording.leads[:1], adc=recording.adc[:, :1].copy())
    )


PROTOCOL = Protocol(
    name="ablation",
    summary="DS2, annotated R peaks: the model without one part at a time; 3 minutes",
    run=run,
)

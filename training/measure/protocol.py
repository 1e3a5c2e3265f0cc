"""What an evaluation protocol takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.formats.figures import Figure
from monitor.model.model import Model
from training.data.records import seen_in_training
from training.fit.crossfit import CrossFit
from training.measure.measures import PatientScores
from training.measure.tables import Table
from training.progress import Bar, no_bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be evaluated, and on what."""

    data: Path  # holds mitdb/ and, for some protocols, nstdb/
    model: Model | None = None  # None where the protocol needs none
    model_folder: Path | None = None  # of the same model: where cross-fitting finds its folds
    records: Sequence[str] = ()  # only these; empty = the protocol's own
    annotations: Path | None = None  # where a protocol that labels beats writes WFDB annotation files
    bar: Bar = no_bar

    def required_model(self) -> Model:
        """The model; raises ValueError if the caller gave none."""
        if self.model is None:
            raise ValueError("this protocol needs a model")
        return self.model

    def cross_fitted(self, names: Sequence[str]) -> CrossFit:
        """The models that may judge these records; nothing is fitted if none of them was trained on."""
        model = self.required_model()
        if not seen_in_training(names, model.manifest.data.get("records", ())):
            return CrossFit(model)
        if self.model_folder is None:
            raise ValueError("cross-fitting needs the model's folder")
        return CrossFit.from_folder(
            self.model_folder, self.data, bar=self.bar, budget_per_hour=model.budget_per_hour
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a protocol found."""

    figures: list[Figure]
    tables: list[Table]
    details: dict[str, Any] = field(
        default_factory=dict
    )  # JSON-ready: a row a record, the operating point, ...
    patients: list[PatientScores] = field(default_factory=list)  # what a report draws its curves from


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A published or agreed way to measure."""

    name: str
    summary: str
    run: Callable[[Request], Result]
    needs_model: bool = True

"""What an evaluation protocol takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.formats.figures import Figure
from monitor.model.model import Model
from training.data.records import (
    AnnotatedRecord,
    database,
    read_record,
    record_names,
    seen_in_training,
    total_s,
)
from training.errors import DataError
from training.fit.crossfit import CrossFit
from training.measure.measures import PatientScores
from training.measure.tables import Table
from training.progress import Advance, Bar, no_bar


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

    def unseen(self, names: Sequence[str]) -> Model:
        """The model; raises DataError if it was trained on a patient of these records."""
        model = self.required_model()
        seen = seen_in_training(names, model.manifest.data.get("records", ()))
        if seen:
            raise DataError(f"{model.name} was trained on the patients of {', '.join(seen)}: no test of it")
        return model

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

    def names(self, default: Sequence[str] = (), of: str = "mitdb") -> list[str]:
        """The records asked for, else the protocol's own; raises DataError for one that is not there."""
        return record_names(database(self.data, of), self.records or default)

    def each(
        self, names: Sequence[str], of: str = "mitdb", what: str = "reading"
    ) -> Iterator[AnnotatedRecord]:
        """The records one by one, under a bar that moves on as they are worked off."""
        folder = database(self.data, of)
        with self.bar(what, len(names)) as advance:
            for name in names:
                yield read_record(folder / name)
                advance(1)

    def read(self, names: Sequence[str], of: str = "mitdb") -> list[AnnotatedRecord]:
        """All of the records."""
        return list(self.each(names, of))

    def by_model(
        self, cross: CrossFit, names: Sequence[str], what: str, of: str = "mitdb"
    ) -> Iterator[tuple[Model, list[AnnotatedRecord], Advance]]:
        """Each model that may judge some of the records, these, and what moves a bar on by their seconds."""
        for model, group in cross.groups(names):
            records = self.read(group, of)
            with self.bar(what, total_s(records)) as advance:
                yield model, records, advance


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

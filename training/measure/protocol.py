"""What an evaluation protocol takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.formats.figures import Figure
from monitor.model.model import Model
from training.measure.measures import PatientScores
from training.measure.tables import Table

Advance = Callable[[float], object]
Bar = Callable[[str, float], AbstractContextManager[Advance]]  # of what, and how much in all


def no_bar(what: str, total: float) -> AbstractContextManager[Advance]:
    """A progress bar that nobody sees."""
    del what, total
    return nullcontext(lambda _: None)


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

"""Encoders and decoders by name; an entry point of the group adds a kind from outside."""

from __future__ import annotations

from importlib.metadata import entry_points

from monitor.model.autoencoders.conv import ConvDecoder, ConvEncoder
from monitor.model.autoencoders.dense import DenseDecoder, DenseEncoder
from monitor.model.autoencoders.parts import Kind
from monitor.model.autoencoders.pca import PcaDecoder, PcaEncoder
from monitor.model.autoencoders.recurrent import LstmDecoder, LstmEncoder

GROUP = "ecg_monitor.autoencoders"  # of entry points, each a `Kind`

KINDS = {
    "dense": Kind(DenseEncoder, DenseDecoder),
    "conv": Kind(ConvEncoder, ConvDecoder),
    "lstm": Kind(LstmEncoder, LstmDecoder),
    "pca": Kind(PcaEncoder, PcaDecoder),
}


def kind(name: str) -> Kind:
    """The kind of this name; raises ValueError for an unknown one, or one that can't be loaded."""
    if name in KINDS:
        return KINDS[name]
    outside = entry_points(group=GROUP)
    for point in outside:
        if point.name == name:
            try:
                found = point.load()
            except (ImportError, AttributeError) as exc:
                raise ValueError(f"entry point {name!r} of {GROUP} can't be loaded: {exc}") from exc
            if not isinstance(found, Kind):
                raise ValueError(
                    f"entry point {name!r} of {GROUP} is a {type(found).__name__}, wanted a Kind"
                )
            return found
    names = ", ".join(sorted([*KINDS, *(point.name for point in outside)]))
    raise ValueError(f"kind is {name!r}, wanted one of {names}")

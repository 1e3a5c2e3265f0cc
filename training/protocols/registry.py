"""The evaluation protocols by name, and their running with the time that it took."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from training.measure.protocol import Protocol, Request, Result
from training.protocols import (
    ablation,
    beatgan,
    calibration,
    compression,
    denoising,
    ec57,
    ecg5000,
    episodes,
    inter_patient,
    latents,
    noise,
    patient_adaptive,
    qrs,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        inter_patient.PROTOCOL,
        patient_adaptive.PROTOCOL,
        ec57.PROTOCOL,
        episodes.PROTOCOL,
        qrs.PROTOCOL,
        noise.PROTOCOL,
        beatgan.PROTOCOL,
        ecg5000.PROTOCOL,
        calibration.PROTOCOL,
        ablation.PROTOCOL,
        latents.PROTOCOL,
        compression.PROTOCOL,
        denoising.PROTOCOL,
    )
}


def find(name: str) -> Protocol:
    """The protocol of this name; raises ValueError with the names that there are."""
    if name not in PROTOCOLS:
        raise ValueError(f"protocol is {name!r}, wanted one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def evaluate(protocol: Protocol, request: Request) -> tuple[Result, dict[str, Any]]:
    """What a protocol found, and the same as plain data for a file: the design's figures and the rest."""
    begun = time.monotonic()
    if protocol.needs_model:
        request.required_model()
    result = protocol.run(request)
    report = {
        "figures": [msgspec.to_builtins(figure) for figure in result.figures],
        "protocol": protocol.name,
        "summary": protocol.summary,
        "records": list(request.records),
        "model": None,
        "elapsed_s": round(time.monotonic() - begun, 1),
        **result.details,
    }
    if protocol.needs_model and request.model is not None:
        report["model"] = {"name": request.model.name, "version": request.model.version}
    return result, report

"""The evaluation protocols by name, and their running with the time that it took."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from training import (
    ablation,
    beatgan,
    calibration_protocol,
    compression,
    denoising_protocol,
    ec57,
    ecg5000,
    episode_protocol,
    inter_patient,
    latent_features,
    noise_protocol,
    patient_adaptive,
    qrs,
)
from training.protocol import Protocol, Request, Result

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        inter_patient.PROTOCOL,
        patient_adaptive.PROTOCOL,
        ec57.PROTOCOL,
        episode_protocol.PROTOCOL,
        qrs.PROTOCOL,
        noise_protocol.PROTOCOL,
        beatgan.PROTOCOL,
        ecg5000.PROTOCOL,
        calibration_protocol.PROTOCOL,
        ablation.PROTOCOL,
        latent_features.PROTOCOL,
        compression.PROTOCOL,
        denoising_protocol.PROTOCOL,
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

"""The encoder-decoders by the name that training settings and manifests use."""

from __future__ import annotations

from typing import Any

from monitor.model.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.model.autoencoders.contextual import ContextualEncoderDecoder, ContextualSettings
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.lstm import LstmEncoderDecoder, LstmSettings


def build(form: str, settings: dict[str, Any]) -> EncoderDecoder:
    """A fresh network; raises ValueError for an unknown form and TypeError for unknown settings."""
    if form == "lstm":
        return LstmEncoderDecoder(LstmSettings(**settings))
    if form == "contextual":
        return ContextualEncoderDecoder(ContextualSettings(**settings))
    if form == "composed":
        return ComposedEncoderDecoder(ComposedSettings(**settings))
    raise ValueError(f"form is {form!r}, wanted 'lstm', 'contextual' or 'composed'")

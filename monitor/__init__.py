"""Streaming ECG anomaly monitor: everything that runs in the worker."""

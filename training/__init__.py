"""Offline training, calibration and evaluation of the monitor's models."""

"""Tests of `monitor/ecg/`."""

"""Tests of `monitor/scan/`."""

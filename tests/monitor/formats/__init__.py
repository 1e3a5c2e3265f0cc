"""Tests of `monitor/formats/`."""

"""Tests of `monitor/adapt/`."""

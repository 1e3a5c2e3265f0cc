"""Tests of `monitor/worker/`."""

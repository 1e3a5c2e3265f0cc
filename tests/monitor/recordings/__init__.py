"""Tests of `monitor/recordings/`."""

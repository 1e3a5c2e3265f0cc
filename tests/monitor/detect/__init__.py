"""Tests of `monitor/detect/`."""

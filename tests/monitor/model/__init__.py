"""Tests of `monitor/model/`."""

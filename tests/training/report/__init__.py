"""Tests of `training/report/`."""

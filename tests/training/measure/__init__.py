"""Tests of `training/measure/`."""

"""Tests of `training/fit/`."""

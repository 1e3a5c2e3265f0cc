"""Tests of `training/fit/objectives/`."""

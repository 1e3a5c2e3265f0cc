"""Tests of `training/compare/`."""

"""Tests of `training/protocols/`."""

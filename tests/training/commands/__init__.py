"""Tests of `training/commands/`."""

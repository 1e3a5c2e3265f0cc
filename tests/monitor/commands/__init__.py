"""Tests of `monitor/commands/`."""

"""Samples to windows: causally, many streams at once."""

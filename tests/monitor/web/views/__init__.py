"""Tests of `monitor/web/views/`."""

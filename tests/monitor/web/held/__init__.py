"""Tests of `monitor/web/held/`."""

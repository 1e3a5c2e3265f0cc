"""Tests of `monitor/`, room by room."""

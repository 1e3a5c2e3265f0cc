"""Tests of `monitor/broker/`."""

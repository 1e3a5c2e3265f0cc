"""Tests of `monitor/model/autoencoders/`."""

"""Tests, one file a module; integration tests talk to a broker or start processes."""

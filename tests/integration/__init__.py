"""Tests that talk to a broker or start processes."""

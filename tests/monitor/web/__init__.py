"""Tests of the bedside page."""

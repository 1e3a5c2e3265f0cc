"""Helpers of the tests, by what they make or watch."""

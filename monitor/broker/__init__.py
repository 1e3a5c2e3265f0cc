"""Kafka as everybody here uses it."""

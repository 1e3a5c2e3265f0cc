"""Measurements that docs quote and no test repeats."""

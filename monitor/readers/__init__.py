"""Recordings from files: one module a format, `files` to choose among them."""

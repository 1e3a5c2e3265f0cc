"""Recordings from files, real and made up, cut into chunks in time."""

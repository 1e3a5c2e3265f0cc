"""Interchangeable encoder-decoders: a file each, and a registry."""

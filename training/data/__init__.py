"""Annotated recordings, their normal beats, published sets."""

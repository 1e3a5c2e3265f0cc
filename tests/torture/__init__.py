"""Worker processes tormented on a real broker: what they write is compared with an undisturbed run."""

"""The daemon: poll, detect, commit as one."""

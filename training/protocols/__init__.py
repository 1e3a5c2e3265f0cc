"""One file a protocol, named as `--protocol` names it."""

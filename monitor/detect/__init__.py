"""The path in one piece: chunks of many streams in, findings out, no I/O."""

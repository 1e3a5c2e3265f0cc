"""The commands of `ecg-train`, one a file; each imports what it runs when it runs."""

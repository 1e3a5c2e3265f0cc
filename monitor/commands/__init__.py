"""The commands of `ecg-monitor`, one a file; each imports what it runs when it runs."""

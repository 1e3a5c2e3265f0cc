"""What a verdict is worth: scores of records, matching, intervals, tables."""

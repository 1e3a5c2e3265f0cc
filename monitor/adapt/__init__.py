"""What one stream has taught, and nothing that was flagged teaches."""

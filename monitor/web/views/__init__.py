"""What the page shows, made from what it holds."""

"""A recording to findings, and what is shown of them."""

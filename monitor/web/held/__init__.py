"""The last minutes of every stream, as the page holds them."""

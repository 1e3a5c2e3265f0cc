"""What crosses a border as bytes."""

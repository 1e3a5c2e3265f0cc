"""What is written of a model, for people and programs."""

"""Window to p-value: the model folder in memory."""

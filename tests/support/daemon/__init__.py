"""Worker processes, brokers and Prometheus as a test needs them."""

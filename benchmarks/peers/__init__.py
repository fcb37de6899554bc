"""What benchmarks/accuracy.py measures: the data, the truth, and each peer's way to mean and variance."""

"""One run as one HTML page: what its artifacts say, and nothing else, beside each other."""

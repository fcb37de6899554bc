"""Proof that the constants in the saved graph are the statistics of the data, by other code than the analyzer's."""

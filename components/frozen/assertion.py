"""assert_frozen: a dataset or a function whose maps hold constants and nothing else."""

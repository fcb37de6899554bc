"""assert_frozen: a dataset or a function whose maps hold constants and nothing else, or an error that names the rest."""

"""The flights pipeline and its like: configuration, definition, the local run and the command line."""

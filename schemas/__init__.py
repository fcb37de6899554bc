"""The data's contract: annotated TensorFlow Metadata schemas and their loader."""

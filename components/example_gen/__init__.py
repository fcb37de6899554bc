"""CSV and Parquet files to tf.Examples, read by Arrow, for TFX's file-based ExampleGen."""

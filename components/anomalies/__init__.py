"""A gate that stops the run where ExampleValidator found anomalies."""

"""A compiled job, handed to Vertex AI or Kubeflow Pipelines."""

"""The pipeline as a job of Vertex AI or Kubeflow Pipelines v2: compiled, run in containers, rehearsed here."""

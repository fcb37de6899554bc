"""What TFX imports inside a Kubeflow container, where the name of an artifact type stands for its class."""

from components.artifacts import CheckBlessing
from components.artifacts import ConstantsArtifact as NormalizationConstants
from components.artifacts import RunReportArtifact as RunReport

__all__ = ["CheckBlessing", "NormalizationConstants", "RunReport"]

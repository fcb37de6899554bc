"""What the two backends do differently, as far as a container can tell.

Vertex AI's service is closed: what stands here was read in TFX's documentation of it and its client. Of Kubeflow
Pipelines it was read in kubeflow/pipelines, backend/src/v2.
"""

import dataclasses
import re
import uuid
from pathlib import Path
from typing import Literal

Mode = Literal["vertex", "kfp"]
_SCHEME = re.compile(r"^(gs|s3|minio)://")
_BUCKET = "minio://mlpipeline/v2/artifacts"
_FOLDER = {"gs": "gcs"}  # the launcher's name for a scheme, where it is another


@dataclasses.dataclass(frozen=True)
class Backend:
    """A backend whose storage is below ``root``.

    Vertex AI's artifacts have URIs that TensorFlow opens itself: here they are plain paths. On Kubeflow they have
    ``minio://`` URIs, and the launcher copies them to a folder of the pod before the command, and back after it.
    """

    mode: Mode
    root: Path

    @property
    def is_kubeflow(self) -> bool:
        """Whether it is open-source Kubeflow Pipelines."""
        return self.mode == "kfp"

    @property
    def mount(self) -> Path:
        """Where a pod's file system begins, as far as the launcher fills it."""
        return self.root / "pod"

    def new_task_uri(self, pipeline: str, job: str, task: str) -> str:
        """Where a task's outputs go; no two tasks share it, because TFX takes names from it."""
        unique = uuid.uuid4().int >> 65
        if self.is_kubeflow:
            return f"{_BUCKET}/{pipeline}/{job}/{task}/{uuid.uuid4()}"
        return f"{self.root}/artifacts/000000000000/{job}/{task}_{unique}"

    def in_step(self, uri: str) -> str:
        """The path at which a step finds a URI."""
        return _SCHEME.sub(lambda found: f"{self.mount}/{_FOLDER.get(found[1], found[1])}/", uri)

    def stored(self, uri: str) -> str:
        """The path at which it outlives the step."""
        return _SCHEME.sub(lambda found: f"{self.root}/objects/{found[1]}/", uri)

    def output_file(self, task_uri: str) -> str:
        """The path of the file in which a step says what it made."""
        name = "output_metadata.json" if self.is_kubeflow else "executor_output.json"
        return f"{self.in_step(task_uri)}/{name}"

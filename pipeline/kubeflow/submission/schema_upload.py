"""A schema of the submitting machine, put where the steps can read it."""

import dataclasses
import hashlib
from pathlib import Path

from components.errors import ConfigError

GOOGLE_STORAGE = "gs://"  # the one store that can be written from here


@dataclasses.dataclass(frozen=True)
class SchemaUpload:
    """A local file and where it goes: a place that changes with its content, so that no cache mistakes it."""

    file: Path
    uri: str

    @classmethod
    def below(cls, pipeline_root: str, file: str) -> "SchemaUpload":
        """``<pipeline root>/schemas/<digest>/<name>``.

        Raises:
          ConfigError: the file cannot be read.
        """
        try:
            digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise ConfigError(f"Cannot read the schema {file}: {error.strerror}.") from error
        return cls(Path(file), f"{pipeline_root.rstrip('/')}/schemas/{digest}/{Path(file).name}")

    def send(self, project: str = "") -> None:
        """Writes the file; does nothing where it is already there.

        Raises:
          ConfigError: there are no Google credentials.
          ServiceError: the store refused.
        """
        from google.api_core.exceptions import PreconditionFailed
        from google.cloud import storage

        from pipeline.kubeflow.submission.google_errors import google_errors

        bucket, name = self.uri.removeprefix(GOOGLE_STORAGE).split("/", 1)
        with google_errors("Google Cloud Storage"):
            blob = storage.Client(project=project or None).bucket(bucket).blob(name)
            try:
                blob.upload_from_filename(str(self.file), if_generation_match=0)
            except PreconditionFailed:
                return

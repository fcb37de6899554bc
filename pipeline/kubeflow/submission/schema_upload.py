"""A schema of the submitting machine, put where the steps can read it."""

import dataclasses
import hashlib
import re
from pathlib import Path

from components.errors import ConfigError

_GS = re.compile(r"gs://(?P<bucket>[^/]+)/?(?P<folder>.*?)/*")


@dataclasses.dataclass(frozen=True)
class SchemaUpload:
    """A local file and where it goes: a place that changes with its content, so that no cache mistakes it."""

    file: Path
    uri: str

    @classmethod
    def below(cls, pipeline_root: str, file: str) -> "SchemaUpload":
        """``<pipeline root>/schemas/<digest>/<name>``.

        Raises:
          ConfigError: the file cannot be read, or the root is not on Google Cloud Storage, the one store that can be
            written from here.
        """
        try:
            digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise ConfigError(f"Cannot read the schema {file}: {error.strerror}.") from error
        if not _GS.fullmatch(pipeline_root):
            raise ConfigError(
                f"The schema {file} is on this machine and can be uploaded to a --pipeline-root gs://... only, but "
                f"this one is {pipeline_root!r}. Say where the steps find it: --param schema=URI, or "
                "schema=package:NAME/FILE for a file in the image."
            )
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

        bucket, name = self.uri.removeprefix("gs://").split("/", 1)
        with google_errors("Google Cloud Storage"):
            blob = storage.Client(project=project or None).bucket(bucket).blob(name)
            try:
                blob.upload_from_filename(str(self.file), if_generation_match=0)
            except PreconditionFailed:
                return

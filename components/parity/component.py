"""ParityCheck: one row, one answer, whichever way it goes."""

import tempfile

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model, Schema, TransformGraph
from tfx.utils import io_utils, path_utils

from components.artifacts import CheckBlessing, write_verdict
from components.frozen import FrozenTransform
from components.frozen.record_files import matching_files
from components.parity.check import Subject, check_parity
from components.verdict import stop_unless_blessed
from schemas.loader import load_schema


@component
def ParityCheck(
    examples: InputArtifact[Examples],
    schema: InputArtifact[Schema],
    transform_graph: InputArtifact[TransformGraph],
    model: InputArtifact[Model],
    blessing: OutputArtifact[CheckBlessing],
    split: Parameter[str] = "eval",
    rows: Parameter[int] = 1000,
    max_ulps: Parameter[float] = 1.0,
    code_digest: Parameter[str] = "",
) -> None:
    """Compares tf.Transform on Beam, the tf.data map and the served model with a float64 reference; stops the run.

    ``rows`` of ``split`` and edge rows of its own go all ways; see ``components.parity.check``. ``code_digest`` only
    enters the cache key, so that another release checks again.

    Raises:
      CheckFailedError: naming feature, way and distance.
      DataError: the split has no row, or the model cannot be asked.
    """
    frozen = FrozenTransform.load(transform_graph.uri)
    files = matching_files(f"{artifact_utils.get_split_uri([examples], split)}/*")
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(
            frozen,
            graph=transform_graph.uri,
            schema=load_schema(io_utils.get_only_uri_in_dir(schema.uri)),
            model=path_utils.serving_model_path(model.uri),
            files=files,
        )
        verdict = check_parity(subject, rows=rows, max_ulps=max_ulps, folder=folder)
    write_verdict(blessing, verdict, frozen.digest)
    stop_unless_blessed(verdict)

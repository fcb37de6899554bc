"""Three trivial components in a row, First -> Middle -> Last, behind the real command line.

A control file, which is no part of any cache key, says what Middle does: "sleep", "fail", "check" (that finds a
fault), "bad input" or nothing.
"""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import String

from components.errors import DataError
from components.verdict import Finding, Verdict, stop_unless_blessed
from pipeline.config import PipelineConfig

SLEEP_SECONDS = 120


@component
def First(text: OutputArtifact[String], value: Parameter[str]) -> None:
    Path(text.uri).write_text(value)


@component
def Middle(before: InputArtifact[String], text: OutputArtifact[String], control: Parameter[str]) -> None:
    print("Python says hello")
    os.write(2, b"C++ says hello\n")
    what = Path(control).read_text()
    if what == "sleep":
        subprocess.Popen(["sleep", str(SLEEP_SECONDS)])  # a worker process, to be ended with the run
        Path(control + ".asleep").touch()
        time.sleep(SLEEP_SECONDS)
    if what == "fail":
        try:
            dict[str, int]()["lost key"]
        except KeyError as error:
            raise RuntimeError("the middle is broken\nsecond line") from error
    if what == "check":
        stop_unless_blessed(Verdict("audit", (Finding("shard_left_out", "rows are missing", "x"),)))
    if what == "bad input":
        raise DataError("data.csv, line 3: 'abc' is no number.")
    Path(text.uri).write_text(Path(before.uri).read_text() + "!")


@component
def Last(before: InputArtifact[String], text: OutputArtifact[String]) -> None:
    Path(text.uri).write_text(Path(before.uri).read_text() + "!")


def build_pipeline(config: PipelineConfig, root: Path, schema_uri: str, columns_uri: str, data_digest: str) -> Any:
    first = First(value=data_digest)
    middle = Middle(before=first.outputs["text"], control=str(Path(config.data.path).with_name("control")))
    last = Last(before=middle.outputs["text"])
    return tfx.dsl.Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=str(root / "artifacts"),
        components=[first, middle, last],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.db")
        ),
    )

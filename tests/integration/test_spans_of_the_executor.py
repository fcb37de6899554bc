"""Where NormalizingTransform measures spans: small ones in its own process, large ones on Beam; the same bits."""

from pathlib import Path
from typing import Any

import pytest
from graph_tables import feature, plan_of, write_records
from tfx.dsl.components.base import base_beam_executor

from components.transform import executor
from components.transform.executor import CACHE_BYTES, CACHE_DIR, CODE_DIGEST, Executor

PLAN = plan_of(feature("x", "FLOAT", "z_score"))
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


@pytest.mark.beam
def test_large_spans_are_measured_on_beam_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {str(span): [str(tmp_path / f"{span}.tfrecord")] for span in (1, 2)}
    for span, (file,) in groups.items():
        write_records(PLAN, [{"x": 0.1 * int(span) + row} for row in range(50)], Path(file))
    on_beam: list[list[str]] = []
    measure = executor.measure

    def counted(files: Any, *args: Any, **options: Any) -> Any:
        on_beam.append(list(files))
        return measure(files, *args, **options)

    monkeypatch.setattr(executor, "measure", counted)

    def statistics(name: str) -> bytes:
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=[RUNNER], tmp_dir=str(tmp_path / "temp"), unique_id=name
        )
        properties = {CACHE_DIR: str(tmp_path / name), CACHE_BYTES: 1 << 20, CODE_DIGEST: "code"}
        return Executor(context)._measured(groups, PLAN, properties).statistics.to_bytes()

    here = statistics("here")
    assert on_beam == []
    monkeypatch.setattr(executor, "SPAN_BYTES_HERE", 0)
    assert statistics("beam") == here
    assert on_beam == list(groups.values())
    assert statistics("beam") == here  # from the cache
    assert len(on_beam) == 2

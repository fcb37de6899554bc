"""The drift gate on 20,000 flights: a resample of the same rows passes, half a sigma in one feature does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

pytestmark = [pytest.mark.prove, pytest.mark.beam]

pytest.importorskip("tfx.types")
from tfx.dsl.components.base import base_beam_executor  # noqa: E402
from tfx.types import standard_artifacts  # noqa: E402
from tfx.utils import proto_utils  # noqa: E402

from components.constants import NormalizationConstants  # noqa: E402
from components.drift.gate import Limits, drift_verdict  # noqa: E402
from components.example_gen.component import ArrowExampleGen  # noqa: E402
from components.example_gen.executor import Executor  # noqa: E402
from components.feature_plan import FeaturePlan  # noqa: E402
from components.moments.columns import SparseParts  # noqa: E402
from components.moments.finish import finish  # noqa: E402
from components.moments.table_statistics import TableStatistics, columns_read  # noqa: E402
from components.transform.example_columns import analysis_parser, columns_of  # noqa: E402
from pipeline.datasets import prepare  # noqa: E402
from schemas.loader import load_schema  # noqa: E402

SCHEMA = Path(__file__).parents[2] / "schemas" / "flights.pbtxt"
PLAN = FeaturePlan.from_schema(load_schema(SCHEMA))
RUNNER = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--sdk_container_image=unused"]
DRAWS = 100


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The serialized training split, as the pipeline's ExampleGen writes it."""
    folder = tmp_path_factory.mktemp("flights")
    data = prepare("flights_small", folder / "in" / "flights.csv").path
    node = ArrowExampleGen(str(Path(data).parent), schema_uri=str(SCHEMA))
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder / "examples")
    properties = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in node.spec.exec_properties.items()
    }
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=RUNNER, tmp_dir=str(folder))
    Executor(context).Do({}, {"examples": [artifact]}, properties)
    files = sorted(map(str, Path(artifact.uri, "Split-train").iterdir()))
    return np.array(list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()), object)


@pytest.fixture(scope="module")
def parse() -> Any:
    return analysis_parser(PLAN)


def columns(records: Any, parse: Any) -> list[Any]:
    return columns_of(PLAN, parse(tf.constant(records)))


def constants(batch: list[Any]) -> NormalizationConstants:
    return finish(PLAN, TableStatistics.of(PLAN, batch))


def test_a_resample_passes_in_99_of_100_draws(records: Any, parse: Any) -> None:
    before, random = constants(columns(records, parse)), np.random.default_rng(20130101)
    drawn = (random.choice(records, len(records)) for _ in range(DRAWS))
    found = [drift_verdict(before, constants(columns(rows, parse)), Limits(), "block") for rows in drawn]
    blessed = sum(verdict.blessed for verdict in found)
    print(f"{blessed} of {DRAWS} resamples of {len(records):,} rows pass")
    assert blessed >= 99


def test_half_a_sigma_in_one_feature_is_found_in_each_draw(records: Any, parse: Any) -> None:
    before, random = constants(columns(records, parse)), np.random.default_rng(20131231)
    features = [f for f in PLAN.with_role("z_score") if f.dtype == "float32" and not f.log1p]
    found = 0
    for _ in range(DRAWS):
        batch = columns(random.choice(records, len(records)), parse)
        feature = features[random.integers(len(features))]
        at = [column.name for column in columns_read(PLAN)].index(feature.name)
        batch[at] = shifted(batch[at], np.float32(0.5 * before[feature.name].sigma.item()))
        verdict = drift_verdict(before, constants(batch), Limits(), "block")
        found += ("mean_shift", feature.name) in [(each.fault, each.feature) for each in verdict.findings]
    print(f"{found} of {DRAWS} shifts of half a sigma are found, over {len(features)} features")
    assert found == DRAWS


@pytest.mark.parametrize("factor", [0.0, 0.01, 0.3, 0.5, 2.0, 10.0, 100.0])
def test_another_sigma_of_any_feature_is_found(records: Any, parse: Any, factor: float) -> None:
    batch = columns(records, parse)
    before = constants(batch)
    names = [column.name for column in columns_read(PLAN)]
    features = [f for f in PLAN.with_role("z_score") if f.dtype == "float32" and not f.log1p]
    for feature in features:
        at, mean = names.index(feature.name), np.float32(before[feature.name].mean.item())
        moved = [*batch]
        moved[at] = shifted(scaled(shifted(moved[at], -mean), np.float32(factor)), mean)
        verdict = drift_verdict(before, constants(moved), Limits(), "block")
        found = [(each.fault, each.feature) for each in verdict.findings]
        assert ("sigma_ratio", feature.name) in found, (feature.name, factor)


def scaled(column: Any, by: np.float32) -> Any:
    return column._replace(values=column.values * by) if isinstance(column, SparseParts) else column * by


def shifted(column: Any, by: np.float32) -> Any:
    return column._replace(values=column.values + by) if isinstance(column, SparseParts) else column + by

"""The analyzer in real Beam pipelines: its digest, its cache, its cost by feature, its counters and its errors."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import apache_beam.testing.util as beam_testing
import numpy as np
import pytest
from beam_analysis import (
    IN_MEMORY,
    Analysis,
    analysis,
    analysis_with_cache,
    cache_keys,
    in_process,
    pipeline_proto,
    write_shards,
)
from exact_tables import HOT, PLAN, SCHEMA, columns_of, table
from graph_tables import feature

from components.constants import NormalizationConstants
from components.errors import input_error_in
from components.moments.combine import CombineStatistics, ExtractConstants, MakeStatistics
from components.moments.table_statistics import TableStatistics, columns_read

pytestmark = pytest.mark.beam

ROWS = table(600)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> NormalizationConstants:
    return in_process(SCHEMA, write_shards(SCHEMA, ROWS, 1, tmp_path_factory.mktemp("whole")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return analysis(SCHEMA, write_shards(SCHEMA, ROWS, 3, tmp_path_factory.mktemp("shards")), IN_MEMORY, 100)


def test_several_shards_give_the_digest_of_the_analysis_without_a_runner(
    run: Analysis, expected: NormalizationConstants
) -> None:
    assert run.constants.digest == expected.digest


def test_a_key_with_nine_rows_in_ten_is_one_key_among_others(run: Analysis) -> None:
    rows = Counter(
        row["carrier"] for row in ROWS if row["carrier"] is not None and row["delay"] is not None and row["weight"] > 0
    )
    assert rows[HOT] > 0.85 * rows.total()
    keys = run.constants["delay"].by_key
    assert keys is not None
    assert dict(zip(keys.keys, keys.count.tolist(), strict=True)) == rows


def test_counters_tell_the_rows_seen_and_the_values_rejected(run: Analysis) -> None:
    def rejected(value: Any) -> bool:
        return value is None or (isinstance(value, float) and not math.isfinite(value))

    # A row of weight 0 is seen but absent from every statistic. A row without any step misses one.
    weighty = [row for row in ROWS if row["weight"] > 0]
    single = sum(rejected(row[name]) for row in weighty for name in ("offset", "delay", "carrier"))
    steps = sum(not row["steps"] for row in weighty)
    assert run.counters["rows_seen"] == len(ROWS)
    assert run.counters["values_rejected"] == single + steps


def test_a_cached_span_is_not_read_again_and_changes_nothing(expected: NormalizationConstants, tmp_path: Path) -> None:
    spans = {
        "old": write_shards(SCHEMA, ROWS[:400], 2, tmp_path / "old"),
        "new": write_shards(SCHEMA, ROWS[400:], 1, tmp_path / "new"),
    }
    analysis_with_cache(SCHEMA, {"old": spans["old"]}, IN_MEMORY, 100, tmp_path / "cache")
    both = analysis_with_cache(SCHEMA, spans, IN_MEMORY, 100, tmp_path / "cache")
    assert both.counters["cache_entries_decoded"] == 1
    assert both.counters["rows_seen"] == 200
    assert both.constants.digest == expected.digest


def features(count: int) -> str:
    return "".join(feature(f"f{i:03d}", "FLOAT", "z_score", shape="") for i in range(count))


def test_the_number_of_steps_does_not_grow_with_the_number_of_features() -> None:
    few, many = (Counter(_urns(pipeline_proto(features(count)))) for count in (2, 200))
    assert few == many
    assert few["beam:transform:combine_per_key:v1"] >= 2  # ours: in each data set, then over all of them


def _urns(proto: Any) -> list[str]:
    return [transform.spec.urn for transform in proto.components.transforms.values()]


def test_the_cache_key_is_that_of_the_plan() -> None:
    keys = cache_keys(features(2))
    assert len(keys) == 1
    assert cache_keys(features(2)) == keys
    assert cache_keys(features(3)).isdisjoint(keys)
    assert cache_keys(features(1) + feature("f001", "FLOAT", "z_score", "log1p", shape="")).isdisjoint(keys)


def test_what_enters_the_cache_key_holds_no_address() -> None:
    for step in (MakeStatistics(PLAN, (True,)), CombineStatistics(PLAN), ExtractConstants(PLAN)):
        assert PLAN.to_json() in repr(step)
        assert " at 0x" not in repr(step)


def test_a_feature_without_a_finite_value_is_an_error_that_names_it(tmp_path: Path) -> None:
    schema = feature("x", "FLOAT", "z_score") + feature("never", "FLOAT", "z_score")
    rows = [{"x": float(i), "never": [None, np.nan, np.inf][i % 3]} for i in range(9)]
    with pytest.raises(Exception, match="never") as caught:
        analysis(schema, write_shards(schema, rows, 1, tmp_path), IN_MEMORY, 100)
    assert "'never' has no finite value" in str(input_error_in(caught.value))


def test_accumulators_travel_in_their_own_bytes_and_are_never_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("An accumulator was pickled.")

    columns = [columns_of(columns_read(PLAN), ROWS[start : start + 100]) for start in range(0, 600, 100)]
    elements = [TableStatistics.of(PLAN, batch).to_bytes() for batch in columns]
    whole = TableStatistics.of(PLAN, columns_of(columns_read(PLAN), ROWS)).to_bytes()
    monkeypatch.setattr(TableStatistics, "__reduce_ex__", refuse)
    with beam.Pipeline(argv=list(IN_MEMORY)) as pipeline:
        merged = pipeline | beam.Create(elements) | CombineStatistics(PLAN)
        beam_testing.assert_that(merged, beam_testing.equal_to([whole]))

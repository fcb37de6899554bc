"""The analysis of files, in this process and on Beam: one digest however files are cut, and every row once."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
import tensorflow as tf
from beam_analysis import IN_MEMORY
from exact_tables import PLAN, table
from graph_tables import constants_of, feature, plan_of, serialized, write_records

from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.moments.finish import finish
from components.moments.table_statistics import TableStatistics
from components.rows_read import UnitRows
from components.transform import beam_analysis
from components.transform.beam_analysis import MeasureFiles, accounted, measure
from components.transform.example_columns import analysis_parser
from components.transform.measured import Measured
from components.transform.unit_statistics import UnitReader, read_statistics
from components.transform.work_units import FalseBoundaryError, work_units

ROWS = table(600)
EXPECTED = constants_of(PLAN, ROWS).digest
IN_PROCESSES = (*IN_MEMORY, "--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Plain, gzip and empty."""
    folder = tmp_path_factory.mktemp("shards")
    parts = {"a": ROWS[:250], "b.gz": ROWS[250:450], "c": [], "d": ROWS[450:]}
    return [str(write_records(PLAN, rows, folder / name)) for name, rows in parts.items()]


def on_beam(
    files: Sequence[str], plan: FeaturePlan = PLAN, args: Sequence[str] = IN_MEMORY, **options: Any
) -> Measured:
    return measure(files, plan, lambda: beam.Pipeline(argv=list(args)), **options)


def assert_sound(units: Sequence[UnitRows], files: Sequence[str]) -> None:
    """Each record of each file is in exactly one unit, by what was written."""
    for file, rows in zip(files, (ROWS[:250], ROWS[250:450], [], ROWS[450:]), strict=True):
        mine = sorted((unit for unit in units if unit.file == file), key=lambda unit: (unit.offset, unit.bytes))
        sizes = [16 + len(serialized(PLAN, row)) for row in rows]
        if file.endswith(".gz"):
            assert [(unit.offset, unit.end, unit.rows, unit.bytes) for unit in mine] == [(0, None, 200, sum(sizes))]
            continue
        begins = [0, *itertools.accumulate(sizes)]
        assert mine[0].offset == 0 and mine[-1].end == begins[-1]
        assert all(one.end == after.offset for one, after in itertools.pairwise(mine))
        assert [unit.rows for unit in mine] == [begins.index(unit.end) - begins.index(unit.offset) for unit in mine]
        assert [unit.bytes for unit in mine] == [unit.end - unit.offset for unit in mine]


@pytest.mark.parametrize("unit_bytes", [0, 300, 5_000, 1 << 30])
@pytest.mark.parametrize("batch_bytes", [2_000, 20_000, 1 << 25])
def test_one_digest_for_every_cut(shards: list[str], unit_bytes: int, batch_bytes: int) -> None:
    found = read_statistics(shards, PLAN, batch_size=100, unit_bytes=unit_bytes, batch_bytes=batch_bytes)
    assert found.statistics.rows == 600
    assert finish(PLAN, found.statistics).digest == EXPECTED
    assert_sound(found.units, shards)


@pytest.mark.beam
@pytest.mark.parametrize("unit_bytes", [0, 3_000])
def test_beam_finds_the_same_and_counts_every_row_once(shards: list[str], unit_bytes: int) -> None:
    pipelines = []

    def make_pipeline() -> beam.Pipeline:
        pipelines.append(beam.Pipeline(argv=list(IN_MEMORY)))
        return pipelines[-1]

    found = measure(shards, PLAN, make_pipeline, unit_bytes=unit_bytes)
    assert finish(PLAN, found.statistics).digest == EXPECTED
    assert_sound(found.units, shards)
    assert len(found.units) == len(work_units(shards, unit_bytes))
    (pipeline,) = pipelines
    metrics = pipeline.result.metrics().query(beam.metrics.MetricsFilter().with_namespace("tfx_norm"))
    counted = {counter.key.metric.name: counter.committed for counter in metrics["counters"]}
    units = work_units(shards, unit_bytes)
    sizes = sum(tf.io.gfile.stat(file).length for file in shards)
    assert counted["rows_read"] == 600 and counted["units_read"] == len(units) and counted["bytes_read"] == sizes
    (by_unit,) = (each for each in metrics["distributions"] if each.key.metric.name == "rows_of_a_unit")
    assert (by_unit.committed.sum, by_unit.committed.count) == (600, len(units))


@pytest.mark.beam
def test_many_units_are_merged_in_levels(shards: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_analysis, "FANOUT_UNITS", 2)
    assert finish(PLAN, on_beam(shards).statistics).digest == EXPECTED


@pytest.mark.beam
@pytest.mark.slow
@pytest.mark.parametrize("args", [IN_PROCESSES, (*IN_MEMORY, "--direct_running_mode=multi_threading")])
def test_threads_and_processes_find_the_same(shards: list[str], args: Sequence[str]) -> None:
    assert finish(PLAN, on_beam(shards, args=args, unit_bytes=20_000).statistics).digest == EXPECTED


@pytest.mark.beam
@pytest.mark.slow
def test_an_error_of_another_process_is_the_same_data_error(tmp_path: Path) -> None:
    file = write_records(PLAN, [{**ROWS[0], "weight": -1.0}], tmp_path / "r")
    with pytest.raises(DataError, match=r"^The weight 'weight' must be a number of at least 0.*Mend the data\.$"):
        on_beam([str(file)], args=IN_PROCESSES)


def test_units_that_a_runner_lost_or_doubled_are_noticed(shards: list[str]) -> None:
    units = work_units(shards, 3_000)
    account = [beam_analysis._UNIT.pack(number, 0, 0, 0, 0) for number in range(len(units))]
    empty = TableStatistics.empty(PLAN).to_bytes()
    assert len(accounted(units, (b"".join(reversed(account)), empty)).units) == len(units)
    lost_rows = [*account[:-1], beam_analysis._UNIT.pack(len(units) - 1, 0, 0, 1, 0)]
    for wrong in (account[1:], [account[0], *account], [account[0], *account[:-1]], lost_rows):
        with pytest.raises(RuntimeError, match="did not merge each of the"):
            accounted(units, (b"".join(wrong), empty))


@pytest.mark.parametrize("engine", [read_statistics, pytest.param(on_beam, marks=pytest.mark.beam)])
class TestBothEngines:
    def test_no_row_is_a_data_error_of_the_constants(self, engine: Any, tmp_path: Path) -> None:
        nothing = engine([str(write_records(PLAN, [], tmp_path / "none"))], PLAN)
        with pytest.raises(DataError, match="has no row"):
            finish(PLAN, nothing.statistics)

    def test_a_missing_file_is_named(self, engine: Any, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=f"Cannot read {tmp_path}/none"):
            engine([f"{tmp_path}/none"], PLAN)

    @pytest.mark.parametrize("unit_bytes", [0, 3_000])
    def test_damage_is_named_by_file_record_and_byte(self, engine: Any, tmp_path: Path, unit_bytes: int) -> None:
        file = write_records(PLAN, ROWS[:100], tmp_path / "bad")
        data = bytearray(file.read_bytes())
        at = sum(16 + len(serialized(PLAN, row)) for row in ROWS[:70])
        data[at + 40] ^= 1
        file.write_bytes(data)
        with pytest.raises(DataError, match=rf"^Cannot read {file}: record 70 at byte {at}: .*[^\]]$"):
            engine([str(file)], PLAN, unit_bytes=unit_bytes)

    @pytest.mark.parametrize("left", [5, 11, 30])
    def test_a_file_that_was_cut_short_is_named(self, engine: Any, tmp_path: Path, left: int) -> None:
        file = write_records(PLAN, ROWS[:20], tmp_path / "cut")
        whole = sum(16 + len(serialized(PLAN, row)) for row in ROWS[:19])
        file.write_bytes(file.read_bytes()[: whole + left])
        with pytest.raises(DataError, match=rf"Cannot read {file}: record 19 at byte {whole}: "):
            engine([str(file)], PLAN, unit_bytes=1_000)

    def test_records_that_hold_records_are_read_right(self, engine: Any, tmp_path: Path) -> None:
        """Ranges begin within them: what is there would be a weight that is refused, or no tf.Example at all."""
        plan = plan_of(
            feature("x", "FLOAT", "z_score", shape=""),
            feature("w", "FLOAT", "weight", shape=""),
            feature("file", "BYTES", "ignore", shape=""),
        )
        inner = write_records(plan, [{"x": 1.0, "w": -1.0, "file": b""}] * 50, tmp_path / "inner").read_bytes()
        other = tmp_path / "other"
        with tf.io.TFRecordWriter(str(other)) as writer:
            for _ in range(50):
                writer.write(b"no example, and as long as one is")
        rows = [{"x": float(i), "w": 1.0, "file": [inner, other.read_bytes()][i % 2]} for i in range(20)]
        file = write_records(plan, rows, tmp_path / "outer")
        found = engine([str(file)], plan, unit_bytes=1_000)
        assert finish(plan, found.statistics).digest == constants_of(plan, rows).digest


PLAIN = plan_of(feature("x", "FLOAT", "z_score", shape=""), feature("w", "FLOAT", "weight", shape=""))


@pytest.mark.parametrize("inner", ["refused", "no example"])
def test_an_error_of_a_range_that_begins_within_a_record_says_nothing_about_the_data(
    inner: str, tmp_path: Path
) -> None:
    texts = {"refused": serialized(PLAIN, {"x": 1.0, "w": -1.0}), "no example": b"\xff" * 30}
    for name, written in (("inner", [texts[inner]] * 50), ("outer", [])):
        with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
            for text in written or [(tmp_path / "inner").read_bytes(), b""]:
                writer.write(text)
    second = work_units([str(tmp_path / "outer")], 1_000)[1]
    reader = UnitReader(PLAIN, analysis_parser(PLAIN), max_rows=2)  # rows are accumulated before the end is reached
    with pytest.raises(FalseBoundaryError):
        reader.read(second)
        reader.statistics()


def test_one_large_plain_file_becomes_several_units(shards: list[str]) -> None:
    units = work_units(shards[:2], 5_000)
    plain = [unit for unit in units if unit.file == shards[0]]
    assert len(plain) > 3 and plain[0].begin == 0 and plain[-1].end == plain[0].size
    assert [unit.compression for unit in units if unit.file == shards[1]] == ["GZIP"]


@pytest.mark.beam
def test_the_pipeline_holds_names_and_no_tensorflow_objects(shards: list[str]) -> None:
    pipeline = beam.Pipeline(argv=list(IN_MEMORY))
    _ = pipeline | MeasureFiles(work_units(shards), PLAN)
    assert pipeline.to_runner_api().ByteSize() < 200_000

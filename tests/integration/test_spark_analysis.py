"""``analyze`` on Spark: the same bits, each file once, and everything that is wrong with the data in one error."""

import os
import pickle
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from exact_tables import PLAN, SCHEMA, table
from google.protobuf import text_format
from graph_tables import write_records
from tensorflow_metadata.proto.v0 import schema_pb2

from components import analyze
from components.errors import ConfigError, DataError
from components.moments.finish import finish
from components.moments.spark import PiecesState, merged, merged_by_spark
from components.moments.table_statistics import TableStatistics
from components.transform import spark_analysis
from components.transform.spark_analysis import measure_on_spark
from components.transform.unit_statistics import read_statistics

PROTO = text_format.Parse(SCHEMA, schema_pb2.Schema())
ROWS = table(900)

pytest.importorskip("pyspark", reason="PySpark is not installed: tfx-norm[spark]")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("there is no Java on this machine", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    """One application for all tests, as it is where a user has a session already; it starts in seconds."""
    with spark_analysis.application({"spark.master": "local[2]"}) as context:
        context.setLogLevel("OFF")
        yield


def shards(folder: Path, sizes: Sequence[int], ending: str = "") -> list[str]:
    """Files of so many of the rows each, in order."""
    files, at = [], 0
    for number, size in enumerate(sizes):
        files.append(str(write_records(PLAN, ROWS[at : at + size], folder / f"part-{number}{ending}")))
        at += size
    return files


@pytest.mark.parametrize(("sizes", "ending"), [([900], ""), ([1, 600, 0, 299], ".gz")])
def test_the_digest_is_that_of_one_process(tmp_path: Path, sizes: list[int], ending: str) -> None:
    files = shards(tmp_path, sizes, ending)
    assert analyze(files, PROTO, engine="spark").digest == analyze(files, PROTO).digest


def test_one_file_is_read_in_ranges_and_each_is_accounted_for(tmp_path: Path) -> None:
    files = shards(tmp_path, [900])
    size = Path(files[0]).stat().st_size
    measured = measure_on_spark(files, PLAN, {}, unit_bytes=size // 5)
    units = sorted(measured.units, key=lambda unit: unit.offset)
    assert len(units) == 5
    assert [units[0].offset, *(unit.end for unit in units)] == [*(unit.offset for unit in units), size]
    assert sum(unit.rows for unit in units) == measured.statistics.rows == 900
    assert finish(PLAN, measured.statistics).digest == finish(PLAN, read_statistics(files, PLAN).statistics).digest


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    files = shards(tmp_path, [300, 300, 300])
    for file in files[1:]:
        data = bytearray(Path(file).read_bytes())
        data[len(data) // 2] ^= 255
        Path(file).write_bytes(data)
    with pytest.raises(DataError) as caught:
        analyze(files, PROTO, engine="spark")
    message = str(caught.value)
    assert files[0] not in message and files[1] in message and files[2] in message


def test_a_relative_name_is_this_process_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards(tmp_path, [900])
    monkeypatch.chdir(tmp_path)
    measured = measure_on_spark(["part-0"], PLAN, {})
    assert [unit.file for unit in measured.units] == ["part-0"]


def test_settings_are_spark_s_and_of_an_own_application(tmp_path: Path) -> None:
    files = shards(tmp_path, [900])
    with pytest.raises(ConfigError, match="workers"):
        analyze(files, PROTO, engine="spark", spark={"workers": "2"})
    with pytest.raises(ConfigError, match="already"):
        analyze(files, PROTO, engine="spark", spark={"spark.master": "local[1]"})
    with pytest.raises(ConfigError, match="no Spark"):
        analyze(files, PROTO, spark={"spark.master": "local[1]"})


def state(pieces: Sequence[int]) -> PiecesState:
    return PiecesState(dict.fromkeys(pieces, b""), TableStatistics.empty(PLAN))


def test_a_piece_is_never_merged_twice() -> None:
    assert sorted(merged(PLAN, state([0]), state([1, 2])).accounts) == [0, 1, 2]
    with pytest.raises(RuntimeError, match=r"\[1\]"):
        merged(PLAN, state([0, 1]), state([1, 2]))


class _LosesOne:
    """A Spark that reports success without the last piece."""

    def parallelize(self, pieces: Sequence[tuple[int, int]], _: int) -> "_LosesOne":
        self._kept = pieces[:-1]
        return self

    def mapPartitions(self, _: object) -> "_LosesOne":
        return self

    def treeReduce(self, merge: object, depth: int) -> PiecesState:
        return state([number for number, _ in self._kept])


def test_a_lost_piece_is_found() -> None:
    with pytest.raises(RuntimeError, match=r"\[2\] of 3"):
        merged_by_spark(_LosesOne(), "abc", PLAN, lambda plan, piece: (b"", TableStatistics.empty(PLAN)))  # type: ignore[arg-type]


def test_a_state_travels_as_bytes_of_statistics(tmp_path: Path) -> None:
    statistics = read_statistics(shards(tmp_path, [50]), PLAN).statistics
    whole = PiecesState({3: b"x"}, statistics)
    sent = pickle.dumps(whole)
    assert statistics.to_bytes() in sent
    back = pickle.loads(sent)
    assert back.accounts == {3: b"x"} and back.statistics.to_bytes() == statistics.to_bytes()

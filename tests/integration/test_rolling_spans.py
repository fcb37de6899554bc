"""A window of spans in one run of ArrowExampleGen: what is read, what is not read again, and what leaves."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.beam

pytest.importorskip("tfx.types")
import tensorflow as tf  # noqa: E402
from test_arrow_example_gen import (  # noqa: E402
    ONE_WORKER,
    Row,
    expected_f1_f10,
    f1_f10,
    ingest,
    rows_in,
    rows_of,
    write_csv,
)
from tfx.proto import example_gen_pb2  # noqa: E402

from components.errors import ConfigError, DataError  # noqa: E402
from components.example_gen import csv_reader, span_store, window  # noqa: E402
from components.example_gen.component import ArrowExampleGen  # noqa: E402
from components.span_files import span_of  # noqa: E402

HALVES = example_gen_pb2.Output(
    split_config={"splits": [{"name": "train", "hash_buckets": 1}, {"name": "eval", "hash_buckets": 1}]}
)


class Ingested(NamedTuple):
    """The rows of the artifact's files by their name below it, its spans, and those that were converted for it."""

    folder: Path
    files: dict[str, list[Row]]
    spans: list[int]
    converted: list[int]
    totals: dict[str, int]
    evicted: int


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of the files that are opened to be parsed, from here on."""
    seen: list[str] = []
    for name in ("open_arrow_stream", "open_binary"):
        real = getattr(csv_reader, name)

        def counting(path: str, real: Any = real) -> Any:
            seen.append(Path(path).parent.name)
            return real(path)

        monkeypatch.setattr(csv_reader, name, counting)
    return seen


def day(number: int) -> list[tuple[int, str]]:
    return f1_f10(30, start=1000 * number)


def write_days(tmp_path: Path, *numbers: int) -> None:
    for number in numbers:
        write_csv(tmp_path / "in" / f"day-{number}" / "t.csv", ["f1", "f10"], day(number))


def node(tmp_path: Path, **options: Any) -> ArrowExampleGen:
    """Of the three newest days, with a cache."""
    chosen = {"window": 3, "cache_dir": str(tmp_path / "cache"), "code_digest": "c", **options}
    return ArrowExampleGen(f"{tmp_path}/in/day-{{SPAN}}/*.csv", **chosen)


def run(folder: Path, made: ArrowExampleGen) -> Ingested:
    _, artifact = ingest(folder, made)
    root = Path(artifact.uri)
    # Rows and not bytes: the order of the features in a serialized tf.Example differs from one call to the next.
    files = {str(path.relative_to(root)): rows_in(path) for path in sorted(root.rglob("*")) if path.is_file()}
    lists = [json.loads(artifact.get_string_custom_property(name)) for name in ("spans", "spans_converted")]
    names = ("rows_read", "rows_left_out", "rows_train", "rows_eval")
    totals = {name: artifact.get_int_custom_property(name) for name in names}
    return Ingested(root, files, *lists, totals, artifact.get_int_custom_property("entries_evicted"))


def rows_by_f1(folder: Path) -> dict[str, list[Row]]:
    return {
        name: sorted(rows_of(folder / f"Split-{name}"), key=lambda row: int(row["f1"])) for name in ("train", "eval")
    }


def test_the_newest_spans_are_in_one_artifact_with_their_number_in_the_files_names(tmp_path: Path) -> None:
    write_days(tmp_path, 8, 9, 10, 11)
    found = run(tmp_path / "1", node(tmp_path))
    assert found.spans == found.converted == [9, 10, 11]
    assert rows_by_f1(found.folder) == expected_f1_f10([*day(9), *day(10), *day(11)])
    assert list(found.files) == [
        f"Split-{split}/span-{span:05d}-data_tfrecord-00000-of-00001.gz"
        for split in ("eval", "train")
        for span in (9, 10, 11)
    ]
    assert found.totals["rows_read"] == 90 == found.totals["rows_train"] + found.totals["rows_eval"]


def test_one_day_more_reads_that_day_only_and_gives_the_files_of_a_run_from_scratch(
    tmp_path: Path, parsed: list[str]
) -> None:
    write_days(tmp_path, 1, 2, 3)
    run(tmp_path / "1", node(tmp_path))
    assert set(parsed) == {"day-1", "day-2", "day-3"}
    parsed.clear()
    write_days(tmp_path, 4)
    found = run(tmp_path / "2", node(tmp_path))
    assert (found.spans, found.converted, set(parsed)) == ([2, 3, 4], [4], {"day-4"})
    assert found.files == run(tmp_path / "3", node(tmp_path, cache_dir="")).files
    parsed.clear()
    again = run(tmp_path / "4", node(tmp_path))
    assert (again.converted, again.files, parsed) == ([], found.files, [])
    assert again.totals == found.totals


def test_days_of_the_same_content_each_keep_their_rows(tmp_path: Path) -> None:
    """A file that was delivered twice is one entry of the cache, and two days of the window."""
    write_days(tmp_path, 1)
    before = run(tmp_path / "1", node(tmp_path))
    thrice = {name: [row for row in rows for _ in range(3)] for name, rows in expected_f1_f10(day(1)).items()}
    for again in (2, 3):
        write_csv(tmp_path / "in" / f"day-{again}" / "t.csv", ["f1", "f10"], day(1))
    for name in ("2", "3"):
        found = run(tmp_path / name, node(tmp_path))
        assert (found.spans, found.totals["rows_read"]) == ([1, 2, 3], 90)
        assert rows_by_f1(found.folder) == thrice
    assert rows_by_f1(before.folder) == expected_f1_f10(day(1))


def test_a_changed_span_is_read_again_and_no_other(tmp_path: Path, parsed: list[str]) -> None:
    write_days(tmp_path, 1, 2, 3)
    run(tmp_path / "1", node(tmp_path))
    parsed.clear()
    write_csv(tmp_path / "in" / "day-2" / "more.csv", ["f1", "f10"], day(7))
    found = run(tmp_path / "2", node(tmp_path))
    assert (found.converted, set(parsed)) == ([2], {"day-2"})
    assert rows_by_f1(found.folder) == expected_f1_f10([*day(1), *day(2), *day(3), *day(7)])


@pytest.mark.parametrize(
    "options",
    [
        {"code_digest": "d"},
        {"null_values": ["t1"]},
        {"require": ["f10"]},
        {"output_config": HALVES},
        {"schema_uri": "schema.pbtxt"},
        {"fingerprint": "stat"},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_what_decides_the_rows_decides_whether_they_are_read_again(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "schema.pbtxt").write_text('feature { name: "f10" type: BYTES } feature { name: "f1" type: FLOAT }')
    if "schema_uri" in options:
        options = {"schema_uri": str(tmp_path / "schema.pbtxt")}
    write_days(tmp_path, 1, 2)
    run(tmp_path / "1", node(tmp_path))
    found = run(tmp_path / "2", node(tmp_path, **options))
    assert found.converted == [1, 2]
    assert found.files == run(tmp_path / "3", node(tmp_path, **options, cache_dir="")).files


def test_a_new_day_may_change_the_type_of_a_column_that_no_schema_declares(tmp_path: Path) -> None:
    write_days(tmp_path, 1, 2)
    run(tmp_path / "1", node(tmp_path))
    write_csv(tmp_path / "in" / "day-3" / "t.csv", ["f1", "f10"], [[0.5, "x"]])
    found = run(tmp_path / "2", node(tmp_path))
    assert found.converted == [1, 2, 3]
    assert found.files == run(tmp_path / "3", node(tmp_path, cache_dir="")).files


def test_columns_must_be_the_same_on_every_day_also_where_a_day_is_not_opened(tmp_path: Path) -> None:
    write_days(tmp_path, 1)
    run(tmp_path / "1", node(tmp_path))
    write_csv(tmp_path / "in" / "day-2" / "t.csv", ["f1", "g"], [[1, 2]])
    with pytest.raises(
        DataError, match=r"day-1/t\.csv and .*day-2/t.csv have different columns: only in the first f10"
    ):
        run(tmp_path / "2", node(tmp_path))


@pytest.mark.parametrize("what", ["entry", "records", "missing", "cut"])
def test_a_damaged_entry_is_reported_and_made_again(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(span_store.logging, "warning", lambda text, *values: said.append(text % values))
    write_days(tmp_path, 1, 2)
    before = run(tmp_path / "1", node(tmp_path))
    (first, *_) = sorted((tmp_path / "cache" / "examples").glob("*/entry" if what == "entry" else "*/*.gz"))
    damaged = bytearray(first.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    first.unlink()
    if what != "missing":
        first.write_bytes(damaged[:-1] if what == "cut" else damaged)
    after = run(tmp_path / "2", node(tmp_path))
    assert len(after.converted) == 1
    assert after.files == before.files
    assert len(said) == 1 and "is not used, and made again" in said[0]
    assert run(tmp_path / "3", node(tmp_path)).converted == []


def test_the_cache_and_the_artifact_share_their_files_on_disk(tmp_path: Path) -> None:
    write_days(tmp_path, 1)
    found = run(tmp_path / "1", node(tmp_path))
    again = run(tmp_path / "2", node(tmp_path))
    for name in found.files:
        assert os.stat(found.folder / name).st_ino == os.stat(again.folder / name).st_ino
    assert not list(found.folder.glob(".temp*"))


def test_without_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(span_store.os, "link", no_links)
    write_days(tmp_path, 1)
    found = run(tmp_path / "1", node(tmp_path))
    again = run(tmp_path / "2", node(tmp_path))
    assert (again.converted, again.files) == ([], found.files)


def test_a_cache_that_is_too_small_for_the_window_is_reported_and_nothing_else_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(span_store.logging, "warning", lambda text, *values: said.append(text % values))
    write_days(tmp_path, 1, 2, 3)
    found = run(tmp_path / "1", node(tmp_path, cache_max_bytes=2000))
    assert rows_by_f1(found.folder) == expected_f1_f10([*day(1), *day(2), *day(3)])
    assert any("too few for the window" in text for text in said)
    assert found.evicted > 0
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert 0 < kept <= 2000


def test_a_span_that_changes_while_it_is_read_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_days(tmp_path, 1)
    real = window._converted

    def meanwhile(*arguments: Any) -> Any:
        made = real(*arguments)
        write_csv(tmp_path / "in" / "day-1" / "t.csv", ["f1", "f10"], day(5))
        return made

    monkeypatch.setattr(window, "_converted", meanwhile)
    with pytest.raises(DataError, match=r"day-1/t\.csv: span 1 was changed while it was read"):
        run(tmp_path / "1", node(tmp_path))
    monkeypatch.undo()
    assert rows_by_f1(run(tmp_path / "2", node(tmp_path)).folder) == expected_f1_f10(day(5))


def test_empty_days_and_splits_without_rows(tmp_path: Path) -> None:
    write_csv(tmp_path / "in" / "day-1" / "t.csv", ["f1", "f10"], [])
    with pytest.raises(DataError, match="holds column names but no rows"):
        run(tmp_path / "0", node(tmp_path))
    write_csv(tmp_path / "in" / "day-2" / "t.csv", ["f1", "f10"], [[1, "a"]])
    found = run(tmp_path / "1", node(tmp_path))
    assert sorted(len(rows) for rows in rows_by_f1(found.folder).values()) == [0, 1]
    assert {(Path(name).parent.name, span_of(name)) for name in found.files} == {("Split-train", 2), ("Split-eval", 2)}
    assert found.spans == [1, 2]


def test_input_splits_by_span_stay_the_output_splits_and_dates_are_spans(tmp_path: Path) -> None:
    for split, dates in {"learn": ("2020-01-01", "2020-01-02"), "judge": ("2020-01-02", "2020-01-03")}.items():
        for date in dates:
            pq_file = tmp_path / "in" / split / f"{date}.parquet"
            pq_file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"f1": [int(date[-2:]), len(split)]}), pq_file)
    config = example_gen_pb2.Input(
        splits=[{"name": name, "pattern": f"{name}/{{YYYY}}-{{MM}}-{{DD}}.parquet"} for name in ("learn", "judge")]
    )
    made = ArrowExampleGen(
        str(tmp_path / "in"), config, data_format="parquet", window=2, cache_dir=str(tmp_path / "c"), code_digest="c"
    )
    for name in ("1", "2"):
        found, artifact = ingest(tmp_path / name, made)
        assert {split: [row["f1"] for row in rows] for split, rows in found.items()} == {
            "learn": [2, 5],
            "judge": [2, 5, 3, 5],
        }
        assert json.loads(artifact.get_string_custom_property("spans")) == ["2020-01-02", "2020-01-03"]


def test_a_cache_behind_tf_io_gfile(tmp_path: Path) -> None:
    write_days(tmp_path, 1, 2)
    for number in (1, 2):
        folder = f"ram://spans/in/day-{number}"
        tf.io.gfile.makedirs(folder)
        tf.io.gfile.copy(f"{tmp_path}/in/day-{number}/t.csv", f"{folder}/t.csv")
    made = ArrowExampleGen("ram://spans/in/day-{SPAN}/*.csv", window=2, cache_dir="ram://spans/cache", code_digest="c")
    first = run(tmp_path / "1", made)
    second = run(tmp_path / "2", made)
    assert (first.converted, second.converted) == ([1, 2], [])
    assert first.files == second.files == run(tmp_path / "3", node(tmp_path)).files


def test_what_a_window_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="but this has none"):
        ArrowExampleGen(f"{tmp_path}/*.csv", window=2)
    with pytest.raises(ConfigError, match="needs a code_digest"):
        ArrowExampleGen(f"{tmp_path}/{{SPAN}}.csv", window=2, cache_dir="c")


def test_the_driver_that_kubeflow_runs_resolves_nothing_and_sees_every_change(tmp_path: Path) -> None:
    from tfx.components.example_gen import driver

    def resolved() -> dict[str, Any]:
        properties = dict(node(tmp_path).spec.exec_properties)
        before = dict(properties)
        after = driver.FileBasedDriver(None).resolve_exec_properties(properties, None, None)
        assert {name: after[name] for name in before} == before
        return after

    write_days(tmp_path, 1, 2)
    first = resolved()
    assert (first["span"], first["version"]) == (0, None)
    write_days(tmp_path, 3)
    assert resolved()["input_fingerprint"] != first["input_fingerprint"]


def test_a_real_run_follows_the_windows_files_and_no_others(tmp_path: Path) -> None:
    from tfx.orchestration import metadata, pipeline
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))

    def artifacts() -> list[Any]:
        LocalDagRunner().run(
            pipeline.Pipeline(
                "spans", str(tmp_path / "root"), metadata_connection_config=connection, components=[node(tmp_path)],
                enable_cache=True, beam_pipeline_args=list(ONE_WORKER),
            )
        )  # fmt: skip
        with metadata.Metadata(connection) as handle:
            return sorted(handle.store.get_artifacts_by_type("Examples"), key=lambda artifact: int(artifact.id))

    write_days(tmp_path, 1, 2, 3, 4)
    (first,) = artifacts()
    assert first.custom_properties["spans"].string_value == "[2, 3, 4]"
    assert first.custom_properties["span"].int_value == 4
    (tmp_path / "in" / "day-1" / "t.csv").unlink()
    assert len(artifacts()) == 1  # a day that had left the window
    write_days(tmp_path, 5)
    second = artifacts()[-1]
    assert second.custom_properties["spans"].string_value == "[3, 4, 5]"
    assert second.custom_properties["spans_converted"].string_value == "[5]"

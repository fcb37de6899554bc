"""The cache of statistics: what is found again, what is refused, what leaves, and that only new spans are measured."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.cache import shelf
from components.cache.shelf import CacheOptions, trim
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments.table_statistics import TableStatistics
from components.rows_read import UnitRows
from components.transform import span_statistics
from components.transform.measured import Measured
from components.transform.span_statistics import SpanStatistics, statistics_of

PLAN = FeaturePlan((Feature("x", "z_score", "float32", (), True), Feature("y", "label", "int64", (), True)))


def measure_files(files: Sequence[str]) -> Measured:
    lines = {file: tf.io.gfile.GFile(file).read().splitlines() for file in files}
    values = [float(line) for file in files for line in lines[file]]
    units = (UnitRows(file, 0, None, len(lines[file]), int(tf.io.gfile.stat(file).length)) for file in files)
    return Measured(
        TableStatistics.of(PLAN, [np.array(values, np.float32), np.zeros(len(values), np.int64)]), tuple(units)
    )


def refuse(files: Sequence[str]) -> Measured:
    raise AssertionError(f"{files} were measured again")


class Project:
    """Three spans of one file each, and their cache."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, CacheOptions(str(folder / "cache"))
        self.groups = {str(span): [self.write(span, [span, 0.1])] for span in (1, 2, 3)}

    def write(self, span: int, values: Sequence[float]) -> str:
        file = self.folder / f"span-{span:05d}-data"
        file.write_text("".join(f"{value}\n" for value in values))
        return str(file)

    def run(self, measure: Callable[..., Any] | None = None, **changed: Any) -> SpanStatistics:
        options = {"groups": self.groups, "plan": PLAN, "cache": self.cache, "code_digest": "code", **changed}
        return statistics_of(measure=measure or measure_files, **options)

    def all_at_once(self) -> bytes:
        return measure_files([file for files in self.groups.values() for file in files]).statistics.to_bytes()

    def entries(self) -> list[Path]:
        return sorted(self.folder.glob("cache/statistics/*/entry"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    warnings: list[str] = []
    monkeypatch.setattr(span_statistics.logging, "warning", lambda text, *values: warnings.append(text % values))
    return warnings


def test_a_new_span_alone_is_measured_and_its_bytes_alone_are_counted(project: Project) -> None:
    first = project.run()
    assert (first.measured, first.reused) == (("1", "2", "3"), ())
    project.groups = {"2": project.groups["2"], "3": project.groups["3"], "4": [project.write(4, [4.0, 0.25])]}
    second = project.run()
    assert (second.measured, second.reused, second.damaged) == (("4",), ("2", "3"), ())
    assert second.bytes_measured == len("4.0\n0.25\n")
    assert second.bytes_reused == len("2\n0.1\n3\n0.1\n")
    assert second.statistics.to_bytes() == project.all_at_once()


def test_the_account_of_a_reused_span_names_the_files_of_today(project: Project) -> None:
    """Two files of equal bytes among them, and a unit that was read twice: nothing is hidden."""
    project.groups["2"] += [project.write(22, [2, 0.1]), project.write(23, [5])]

    def twice(files: Sequence[str]) -> Measured:
        found = measure_files(files)
        return Measured(found.statistics, found.units + tuple(unit for unit in found.units if "23" in unit.file))

    first = project.run(twice)
    assert first.units == tuple(unit for files in project.groups.values() for unit in twice(files).units)
    for span, files in project.groups.items():
        moved = [project.folder / f"again-{span}-{Path(file).name}" for file in files]
        for file, other in zip(files, moved, strict=True):
            Path(file).rename(other)
        project.groups[span] = [str(other) for other in reversed(moved)]
    again = project.run(refuse)
    expected = [unit for files in project.groups.values() for unit in twice(files).units]
    assert sorted(again.units, key=repr) == sorted(expected, key=repr)


def test_names_places_and_order_do_not_count_and_bytes_do(project: Project) -> None:
    project.run()
    moved = project.folder / "elsewhere"
    Path(project.groups["2"][0]).rename(moved)
    project.groups = {"7": project.groups["3"], "8": [str(moved)], "9": project.groups["1"]}
    project.run(refuse)
    moved.write_text("2\n0.2\n")
    assert project.run().measured == ("8",)


@pytest.mark.parametrize(
    "changed",
    [
        {"code_digest": "other"},
        {"plan": FeaturePlan((Feature("x", "min_max", "float32", (), True), Feature("y", "label", "int64", (), True)))},
    ],
)
def test_other_code_and_another_plan_find_nothing(project: Project, changed: dict[str, Any]) -> None:
    project.run()
    assert project.run(**changed).reused == ()


def test_every_changed_byte_of_an_entry_is_noticed_reported_and_repaired(project: Project, said: list[str]) -> None:
    project.groups = {"1": project.groups["1"]}
    right = project.run().statistics.to_bytes()
    (entry,) = project.entries()
    content = entry.read_bytes()
    wrong = Measured(TableStatistics.of(PLAN, [np.array([7], np.float32), np.array([0])]))
    known = measure_files(project.groups["1"])
    for at in range(len(content)):
        entry.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        found = project.run(lambda _: known)
        assert (found.damaged, found.statistics.to_bytes()) == (("1",), right)
        assert entry.read_bytes() == content
    assert len(said) == len(content)
    assert all("is not used, and made again" in text for text in said)
    for broken in (
        content[:-1],
        b"",
        content + b"x",
        content.replace(known.statistics.to_bytes(), wrong.statistics.to_bytes()),
    ):
        entry.write_bytes(broken)
        assert project.run(lambda _: known).statistics.to_bytes() == right


def test_an_entry_that_is_sealed_but_holds_something_else_is_refused(project: Project, said: list[str]) -> None:
    right = project.run().statistics.to_bytes()
    other = FeaturePlan((Feature("z", "label", "int64", (), True),))
    for payload in (b"TNS1", b"\x80\x04N.", Measured(TableStatistics.empty(other)).to_bytes()):
        key = project.entries()[0].parent.name
        project.cache.shelf("statistics").write(key, payload)
        found = project.run()
        assert (len(found.damaged), found.statistics.to_bytes()) == (1, right)
    assert len(said) == 3


def test_the_least_recently_used_entry_leaves_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run()
    project.groups.pop("2")
    project.run(refuse)  # 1 and 3 are used again
    used = sum(path.stat().st_size for path in project.folder.glob("cache/*/*/*"))
    project.groups["4"] = [project.write(4, [4, 0.1])]
    project.run(cache=CacheOptions(project.cache.folder, used + 10))
    del project.groups["4"]
    project.run(refuse)
    project.groups = {"2": [project.write(2, [2, 0.1])]}
    assert project.run().measured == ("2",)


def test_converted_spans_leave_before_statistics_that_were_used_longer_ago(project: Project) -> None:
    project.run()
    examples = project.cache.shelf("examples")
    for key in ("a" * 64, "b" * 64):
        examples.write(key, b"x" * 100_000)
    assert trim(CacheOptions(project.cache.folder, 150_000)) == [examples.place("a" * 64)]
    assert trim(CacheOptions(project.cache.folder, 50_000)) == [examples.place("b" * 64)]
    assert project.run(refuse).reused == ("1", "2", "3")


def test_of_a_cache_that_is_mostly_statistics_the_oldest_leave_too(project: Project) -> None:
    project.run()
    used = sum(path.stat().st_size for path in project.folder.glob("cache/*/*/*"))
    examples = project.cache.shelf("examples")
    examples.write("a" * 64, b"x" * 10)
    (gone,) = trim(CacheOptions(project.cache.folder, used + 10))
    assert Path(gone).parent.name == "statistics"


def test_nothing_is_kept_where_nothing_may_be_and_a_small_cache_is_reported(project: Project, said: list[str]) -> None:
    found = project.run(cache=CacheOptions(project.cache.folder, 0))
    assert len(found.measured) == 3
    assert project.entries() == []
    assert "too few for the window" in said[0]


def test_writers_of_one_key_do_each_other_no_harm(project: Project) -> None:
    def meanwhile(files: Sequence[str]) -> Measured:
        project.run()  # another process measures the same spans
        return measure_files(files)

    assert project.run(meanwhile).statistics.to_bytes() == project.run(refuse).statistics.to_bytes()
    assert {path.name for path in project.folder.glob("cache/statistics/*/*")} == {"entry", "used"}


def test_a_process_that_empties_the_cache_meanwhile_does_no_harm(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shelf.Shelf.touch

    def emptied(self: shelf.Shelf, key: str) -> None:
        real(self, key)
        self.drop(key)

    monkeypatch.setattr(shelf.Shelf, "touch", emptied)
    assert project.run().statistics.to_bytes() == project.all_at_once()


def test_a_file_that_changes_while_it_is_measured_is_not_kept(project: Project) -> None:
    def meanwhile(files: Sequence[str]) -> Measured:
        found = measure_files(files)
        project.write(1, [9])
        return found

    with pytest.raises(DataError, match="The files of span 1 were changed while they were read"):
        project.run(meanwhile)
    assert project.run().statistics.to_bytes() == project.all_at_once()


def test_a_missing_file_is_named(project: Project) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*/nowhere"):
        project.run(groups={"1": [str(project.folder / "nowhere")]})


def test_a_run_that_is_stopped_at_its_third_span_has_kept_two(project: Project) -> None:
    def stopped(files: Sequence[str]) -> Measured:
        if files == project.groups["3"]:
            raise KeyboardInterrupt
        return measure_files(files)

    with pytest.raises(KeyboardInterrupt):
        project.run(stopped)
    again = project.run()
    assert (again.measured, again.reused) == (("3",), ("1", "2"))
    assert again.statistics.to_bytes() == project.all_at_once()


def test_entries_that_leave_are_counted(project: Project) -> None:
    assert project.run().entries_evicted == 0
    assert project.run(refuse, cache=CacheOptions(project.cache.folder, 0)).entries_evicted == 3


def test_a_cache_that_is_a_file_is_reported_and_done_without(project: Project, said: list[str]) -> None:
    (project.folder / "cache").write_text("not a folder")
    found = project.run()
    assert (found.measured, found.statistics.to_bytes()) == (("1", "2", "3"), project.all_at_once())
    assert any("cannot be used, an entry was not kept" in text for text in said)
    assert (project.folder / "cache").read_text() == "not a folder"


def test_a_cache_that_may_not_be_written_is_read(
    project: Project, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()

    def refused(*_: Any, **__: Any) -> None:
        raise tf.errors.PermissionDeniedError(None, None, "read-only")

    monkeypatch.setattr(shelf, "_write", refused)
    project.groups["4"] = [project.write(4, [4])]
    found = project.run()
    assert (found.measured, found.reused) == (("4",), ("1", "2", "3"))
    assert found.statistics.to_bytes() == project.all_at_once()
    assert all(text.endswith(": read-only") for text in said) and len(said) == 4


def test_a_cache_behind_tf_io_gfile(project: Project) -> None:
    remote = CacheOptions("ram://statistics/cache")
    first = project.run(cache=remote)
    assert project.run(refuse, cache=remote).statistics.to_bytes() == first.statistics.to_bytes()
    project.run(refuse, cache=CacheOptions(remote.folder, 0))
    assert project.run(cache=remote).reused == ()


def test_what_is_no_entry_is_never_removed(project: Project) -> None:
    kept = [project.folder / "cache" / "raw" / "2013-01-01", project.folder / "cache" / "statistics" / "notes"]
    for folder in kept:
        folder.mkdir(parents=True)
        (folder / "file.csv").write_text("x" * 1000)
    project.run(cache=CacheOptions(project.cache.folder, 1))
    assert project.entries() == []
    assert all((folder / "file.csv").exists() for folder in kept)

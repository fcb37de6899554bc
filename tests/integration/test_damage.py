"""Damaged records: what is found, what the dataset and an analysis say, and what is left out."""

from pathlib import Path

import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, serialized, write_records, write_transform_graph

from components import FrozenTransform, analyze, normalized_dataset
from components.errors import DataError
from components.frozen.damage import find_damage, named

FEATURES = (feature("x", "FLOAT", "z_score"), feature("id", "INT", "passthrough", shape=""))
PLAN = plan_of(*FEATURES)
ROWS = [{"x": float(i), "id": i} for i in range(10)]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> FrozenTransform:
    return write_transform_graph(PLAN, ROWS, tmp_path_factory.mktemp("graph"))


def offsets() -> list[int]:
    """Where each record begins, by the format: 8 bytes of length, 4, the data, 4."""
    at = [0]
    for row in ROWS:
        at.append(at[-1] + 8 + 4 + len(serialized(PLAN, row)) + 4)
    return at


def damaged(folder: Path, byte: int, name: str = "rows") -> str:
    """A file with one bit of this byte turned around."""
    path = write_records(PLAN, ROWS, folder / name)
    content = bytearray(path.read_bytes())
    content[byte] ^= 0xFF
    path.write_bytes(content)
    return str(path)


def with_bad_example(folder: Path, at: int, name: str = "rows") -> str:
    """Sound framing around one record that is no tf.Example."""
    with tf.io.TFRecordWriter(str(folder / name)) as writer:
        for i, row in enumerate(ROWS):
            writer.write(b"\xff\xff not a proto" if i == at else serialized(PLAN, row))
    return str(folder / name)


def ids(dataset: tf.data.Dataset) -> list[int]:
    return [int(i) for features in dataset for i in features["id"]]


def test_sound_files_have_no_damage(frozen: FrozenTransform, tmp_path: Path) -> None:
    files = [str(write_records(PLAN, ROWS, tmp_path / name)) for name in ("a", "b.gz")]
    assert list(find_damage(files, frozen.parse)) == []


@pytest.mark.parametrize("inside", [0, 20])  # the length; the data
def test_a_turned_bit_is_found_by_record_and_offset(frozen: FrozenTransform, tmp_path: Path, inside: int) -> None:
    (found,) = find_damage([damaged(tmp_path, offsets()[6] + inside)], frozen.parse)
    assert (found.record, found.offset, found.rest_lost) == (6, offsets()[6], True)
    assert "orrupted record" in found.reason


@pytest.mark.parametrize("left", [1, 11, 13, 25])  # inside the header; inside the data
def test_a_cut_file_is_found(frozen: FrozenTransform, tmp_path: Path, left: int) -> None:
    path = write_records(PLAN, ROWS, tmp_path / "rows")
    path.write_bytes(path.read_bytes()[: offsets()[4] + left])
    (found,) = find_damage([str(path)], frozen.parse)
    assert (found.record, found.offset, found.rest_lost) == (4, offsets()[4], True)


def test_a_cut_gzip_file_is_found(frozen: FrozenTransform, tmp_path: Path) -> None:
    path = write_records(PLAN, ROWS, tmp_path / "rows.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (found,) = find_damage([str(path)], frozen.parse)
    assert found.rest_lost


def test_a_record_that_is_no_example_is_found_and_the_others_are_not(frozen: FrozenTransform, tmp_path: Path) -> None:
    (found,) = find_damage([with_bad_example(tmp_path, 7)], frozen.parse)
    assert (found.record, found.offset, found.rest_lost) == (7, offsets()[7], False)


def test_a_record_without_a_required_value_is_found(frozen: FrozenTransform, tmp_path: Path) -> None:
    path = write_records(PLAN, [*ROWS[:3], {"x": 1.0}], tmp_path / "rows")
    (found,) = find_damage([str(path)], frozen.parse)
    assert found.record == 3
    assert "id" in found.reason


def test_the_dataset_raises_tensorflows_error_and_the_context_names_the_place(
    frozen: FrozenTransform, tmp_path: Path
) -> None:
    file = damaged(tmp_path, offsets()[6] + 20)
    dataset = normalized_dataset(file, frozen, batch_size=2)
    with pytest.raises(tf.errors.DataLossError):
        list(dataset)
    with (
        pytest.raises(DataError, match=f"Cannot read {file}: record 6 at byte {offsets()[6]}: "),
        named([file], frozen.parse),
    ):
        list(dataset)


def test_a_bad_example_is_named_too(frozen: FrozenTransform, tmp_path: Path) -> None:
    file = with_bad_example(tmp_path, 3)
    with pytest.raises(DataError, match=f"Cannot read {file}: record 3 "), named([file], frozen.parse):
        list(normalized_dataset(file, frozen, batch_size=4))


def test_an_error_that_is_not_the_files_stays_as_it_is(frozen: FrozenTransform, tmp_path: Path) -> None:
    file = str(write_records(PLAN, ROWS, tmp_path / "rows"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="another matter"), named([file], frozen.parse):
        raise tf.errors.InvalidArgumentError(None, None, "another matter")


def test_an_analysis_names_file_record_and_offset(tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse("".join(FEATURES), schema_pb2.Schema())
    with pytest.raises(DataError, match=f"rows: record 2 at byte {offsets()[2]}: "):
        analyze(damaged(tmp_path, offsets()[2] + 20), schema)


def test_skip_corrupt_leaves_out_exactly_what_cannot_be_read(frozen: FrozenTransform, tmp_path: Path) -> None:
    files = [
        with_bad_example(tmp_path, 7, "bad"),
        damaged(tmp_path, offsets()[6] + 20, "broken"),
        str(write_records(PLAN, ROWS, tmp_path / "sound.gz")),
    ]
    found = ids(normalized_dataset(files, frozen, batch_size=4, skip_corrupt=True))
    assert sorted(found) == sorted([*(i for i in range(10) if i != 7), *range(6), *range(10)])
    shuffled = normalized_dataset(files, frozen, batch_size=4, skip_corrupt=True, shuffle=True, seed=3)
    assert sorted(ids(shuffled)) == sorted(found)


def test_skip_corrupt_changes_nothing_about_sound_files(frozen: FrozenTransform, tmp_path: Path) -> None:
    files = [str(write_records(PLAN, ROWS, tmp_path / name)) for name in ("a", "b.gz")]
    with_it, without = (normalized_dataset(files, frozen, batch_size=3, skip_corrupt=skip) for skip in (True, False))
    assert ids(with_it) == ids(without)


def test_skip_corrupt_refuses_files_of_which_none_can_be_read(frozen: FrozenTransform, tmp_path: Path) -> None:
    files = [damaged(tmp_path, 0, name) for name in ("a", "b")]
    with pytest.raises(DataError, match="None of the 2 files can be read"):
        normalized_dataset(files, frozen, batch_size=4, skip_corrupt=True)

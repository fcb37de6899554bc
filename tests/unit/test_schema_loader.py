import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import SchemaError
from components.feature_plan import ROLES, FeaturePlan, model_name
from schemas.loader import load_schema

FLIGHTS = Path(__file__).parents[2] / "schemas" / "flights.pbtxt"


def refusal(path: Path) -> str:
    with pytest.raises(SchemaError) as caught:
        load_schema(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_schema_is_read_in_the_order_of_its_text(tmp_path: Path) -> None:
    file = tmp_path / "s.pbtxt"
    file.write_text(
        '# a comment\nfeature { name: "é b" type: INT annotation { tag: "z_score" } }\n'
        'feature { name: "a" type: BYTES }',
        encoding="utf-8",
    )
    for path in (file, str(file)):
        schema = load_schema(path)
        assert [feature.name for feature in schema.feature] == ["é b", "a"]
        assert schema.feature[0].type == schema_pb2.INT
        assert list(schema.feature[0].annotation.tag) == ["z_score"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('feature { name: "x"\n nam: "y" }', '"nam"'),
        ('feature { name: "x"', "Expected"),
        ('feature { name: "x\ny" }', "quote"),
        ("carrier,date\nUA,1\n", '"carrier"'),
        ('feature { name: "x" type: NUMBER }', "NUMBER"),
        ('feature { name: "x" type: INT } feature { name: "x" type: FLOAT }', "'x' is declared more than once"),
        ("", "declares no feature"),
        ("# nothing\n", "declares no feature"),
        ('feature { name: "x" } feature { type: INT }', "feature number 2 has no name"),
    ],
)
def test_a_bad_schema_is_one_line_that_names_file_and_fault(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "s.pbtxt"
    file.write_text(text)
    assert named in refusal(file)


def test_a_file_that_is_not_there_a_folder_and_a_binary_file_are_schema_errors(tmp_path: Path) -> None:
    assert "No schema at" in refusal(tmp_path / "none.pbtxt")
    assert "Is a directory" in refusal(tmp_path)
    (tmp_path / "binary").write_bytes(b"\x0a\xff\xfe")
    assert "utf-8" in refusal(tmp_path / "binary")


class OpError(Exception):
    message = "bucket not found"


class FakeFile:
    """Stands in for tf.io.gfile.GFile: one file exists."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> "FakeFile":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def read(self) -> str:
        if self._path != "memory://s.pbtxt":
            raise OpError
        return 'feature { name: "x" type: INT }'


@pytest.fixture
def gfile(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(
        io=SimpleNamespace(gfile=SimpleNamespace(GFile=FakeFile)), errors=SimpleNamespace(OpError=OpError)
    )
    monkeypatch.setitem(sys.modules, "tensorflow", fake)


@pytest.mark.usefixtures("gfile")
def test_a_uri_with_a_scheme_is_read_through_tensorflow() -> None:
    assert load_schema("memory://s.pbtxt").feature[0].name == "x"


@pytest.mark.usefixtures("gfile")
def test_a_uri_that_tensorflow_cannot_read_is_a_schema_error() -> None:
    with pytest.raises(SchemaError, match=r"memory://none\.pbtxt: bucket not found"):
        load_schema("memory://none.pbtxt")


def test_the_flights_schema_gives_a_plan() -> None:
    plan = FeaturePlan.from_schema(load_schema(FLIGHTS))
    assert plan.label is not None
    assert plan.label.name == "late"
    assert {feature.name for feature in plan.with_role("category")} == {"carrier", "origin", "dest"}
    assert "arr_delay" not in {feature.name for feature in plan.features}


README = FLIGHTS.with_name("README.md").read_text(encoding="utf-8")


def rows_of_table(head: str) -> list[list[str]]:
    lines = README.split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_example_of_the_readme_gives_a_plan(tmp_path: Path) -> None:
    file = tmp_path / "s.pbtxt"
    file.write_text(README.split("```text\n")[1].split("```")[0])
    plan = FeaturePlan.from_schema(load_schema(file))
    assert [(feature.name, feature.role) for feature in plan.features] == [
        ("distance", "z_score"),
        ("wind gust", "z_score"),
        ("carrier", "category"),
        ("late", "label"),
    ]


def test_the_readme_lists_the_roles_types_and_options_that_a_plan_accepts() -> None:
    rows = rows_of_table("role | types | options | what the model gets")
    listed = {role.strip("| `"): (types, options) for role, types, options, _ in rows}
    assert tuple(role.partition(":")[0] for role in listed) == ROLES
    values = {"axis": "axis=all", "missing": "missing=mean", "nonfinite": "nonfinite=clip", "clip": "clip=3"}
    values |= {"log1p": "log1p", "max_keys": "max_keys=9", "unit": "unit=m", "min_count": "min_count=9"}
    values |= {"unseen": "unseen=zero", "channels": "channels=1", "size": "size=8x9", "scale": "scale=1"}
    values |= {"layout": "layout=NCHW", "corrupt": "corrupt=skip"}
    assert {f"`{option}`" for option in values} == {
        name for name, *_ in rows_of_table("option | values | default | meaning")
    }
    other = 'feature { name: "<key>" type: INT shape {} annotation { tag: "z_score" } }'
    for role, (types, options) in listed.items():
        for kind in ("FLOAT", "INT", "BYTES"):
            for option, tag in values.items():
                tags = f'annotation {{ tag: "{role}" tag: "{tag}" }}'
                text = f'feature {{ name: "f" type: {kind} shape {{}} {tags} }} {other}'
                accepted = kind in types.split(", ") and f"`{option}`" in options.split(", ")
                try:
                    FeaturePlan.from_schema(text_format.Parse(text, schema_pb2.Schema()))
                except SchemaError:
                    assert not accepted, (role, kind, tag)
                else:
                    assert accepted, (role, kind, tag)


def test_the_readme_maps_names_as_the_model_does() -> None:
    for column, mapped in rows_of_table("column | model"):
        assert model_name(column.strip("`")) == mapped.strip("`")

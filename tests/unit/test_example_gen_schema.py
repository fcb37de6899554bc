import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import DataError
from components.example_gen import tables


def schema_of(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


SCHEMA = schema_of(
    """
    feature { name: "b" type: INT }
    feature { name: "a" type: FLOAT }
    feature { name: "y" type: BYTES not_in_environment: "SERVING" }
    feature { name: "u" }
    feature { name: "maybe" type: INT presence { min_count: 0 } }
    feature { name: "later" type: INT lifecycle_stage: PLANNED }
    feature { name: "unused" type: INT annotation { tag: "ignore" } }
    """
)


def plan(folder: Path, text: str) -> dict[str, str]:
    path = folder / "t.csv"
    path.write_text(text)
    return tables.plan_types(
        [str(path)], "csv", tables.column_types_of_schema(SCHEMA), tables.optional_columns_of_schema(SCHEMA)
    )


def test_types_come_in_schema_order_and_untyped_features_are_left_to_the_data() -> None:
    types = tables.column_types_of_schema(SCHEMA)
    assert list(types.items())[:3] == [("b", "int64"), ("a", "float32"), ("y", "bytes")]
    assert "u" not in types


def test_a_struct_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="Feature 's' is a STRUCT"):
        tables.column_types_of_schema(schema_of('feature { name: "s" type: STRUCT }'))


def test_schema_columns_come_first_then_the_others_with_inferred_types(tmp_path: Path) -> None:
    types = plan(tmp_path, "extra,y,a,u,b\n1,5,2,7,3\nx,6,3,0.5,4\n")
    assert list(types.items()) == [
        *(("b", "int64"), ("a", "float32"), ("y", "bytes")),
        *(("extra", "bytes"), ("u", "float32")),
    ]


def test_a_column_that_the_data_lack_is_named_with_those_that_came(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape("declares column 'y' and the file has none. Its columns are a, b.")):
        plan(tmp_path, "a,b\n1,2\n")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'xls' is none of csv, parquet"):
        tables.infer_types([str(tmp_path)], "xls")

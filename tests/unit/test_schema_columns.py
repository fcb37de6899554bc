from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from schemas.columns import columns_only


def schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


ROLES = """
feature { name: "x" type: FLOAT shape {} presence { min_fraction: 1 } annotation { tag: "%s" tag: "unit=km" } }
feature { name: "c" type: BYTES value_count { min: 1 max: 1 } domain: "d" annotation { tag: "category" } }
string_domain { name: "d" value: "a" }
"""


def test_an_edited_role_leaves_the_columns_alone() -> None:
    assert columns_only(schema(ROLES % "z_score")) == columns_only(schema(ROLES % "min_max"))


def test_what_reading_depends_on_stays() -> None:
    expected = schema(
        'feature { name: "x" type: FLOAT shape {} presence { min_fraction: 1 } annotation {} }'
        'feature { name: "c" type: BYTES value_count { min: 1 max: 1 } annotation {} }'
    )
    found = columns_only(schema(ROLES % "z_score"))
    for column in (*found.feature, *expected.feature):
        column.ClearField("lifecycle_stage")
    assert [f.SerializeToString() for f in found.feature] == [f.SerializeToString() for f in expected.feature]


def test_an_ignored_column_may_be_absent_so_its_tag_stays() -> None:
    assert columns_only(schema(ROLES % "ignore")) != columns_only(schema(ROLES % "z_score"))

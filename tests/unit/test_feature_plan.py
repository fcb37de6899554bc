import hashlib
import pickle
import re

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import SchemaError
from components.feature_plan import Feature, FeaturePlan, model_name, model_names

X = 'feature { name: "x" type: FLOAT shape {} annotation { tag: "z_score" } }'


def plan_of(text: str) -> FeaturePlan:
    return FeaturePlan.from_schema(text_format.Parse(text, schema_pb2.Schema()))


def feature_of(*tags: str, kind: str = "FLOAT", form: str = "shape {}", more: str = "") -> Feature:
    """The feature `f` with these tags, out of a schema that has another one to normalize."""
    quoted = " ".join(f'tag: "{tag}"' for tag in tags)
    plan = plan_of(f'feature {{ name: "f" type: {kind} {form} {more} annotation {{ {quoted} }} }} {X}')
    return plan.features[0]


def refusal(*tags: str, kind: str = "FLOAT", form: str = "shape {}") -> str:
    with pytest.raises(SchemaError) as caught:
        feature_of(*tags, kind=kind, form=form)
    message = str(caught.value)
    assert "'f'" in message
    assert "\n" not in message
    return message


def test_a_plan_has_the_features_in_schema_order_with_their_defaults() -> None:
    plan = plan_of(
        """
        feature { name: "late" type: INT shape {} annotation { tag: "label" } }
        feature { name: "b" type: FLOAT value_count { min: 1 max: 1 } annotation { tag: "z_score" tag: "unit=km" } }
        feature { name: "a" type: BYTES shape {} annotation { tag: "category" } }
        feature { name: "id" type: BYTES annotation { tag: "ignore" } }
        feature { name: "raw" type: FLOAT shape { dim { size: 3 } } annotation { tag: "passthrough" } }
        feature { name: "m" type: INT shape { dim { size: 2 } dim { size: 4 } } annotation { tag: "min_max" } }
        """
    )
    assert plan.features == (
        Feature("late", "label", "int64", (), True, serving=False, missing="error"),
        Feature("b", "z_score", "float32", (), False, axis=(), unit="km"),
        Feature("a", "category", "bytes", (), True, max_keys=100_000),
        Feature("id", "ignore", "bytes", None, False),
        Feature("raw", "passthrough", "float32", (3,), True),
        Feature("m", "min_max", "int64", (2, 4), True, axis=(0, 1), missing="mean", nonfinite="missing", clip=0.0),
    )
    assert plan.label is plan.features[0]
    assert [feature.name for feature in plan.normalized] == ["b", "m"]
    assert [feature.name for feature in plan.used] == ["late", "b", "a", "raw", "m"]
    assert [feature.name for feature in plan.inputs] == ["b", "a", "raw", "m"]
    assert [feature.name for feature in plan.with_role("category", "ignore")] == ["a", "id"]


def test_a_schema_may_have_no_label() -> None:
    assert plan_of(X).label is None


def test_a_column_that_is_not_in_the_serving_environment_is_not_served() -> None:
    assert feature_of("z_score").serving
    assert not feature_of("z_score", more='not_in_environment: "SERVING"').serving


def test_every_option_is_read() -> None:
    tags = (
        "z_score",
        "axis=1",
        "missing=constant:0.5",
        "nonfinite=clip",
        "clip=2.5",
        "log1p",
        "unit=km per h = speed",
    )
    assert feature_of(*tags, form="shape { dim { size: 2 } dim { size: 3 } }") == Feature(
        name="f",
        role="z_score",
        dtype="float32",
        shape=(2, 3),
        dense=True,
        axis=(1,),
        missing="constant:0.5",
        nonfinite="clip",
        clip=2.5,
        log1p=True,
        unit="km per h = speed",
    )
    assert feature_of("category", "max_keys=7", kind="INT").max_keys == 7


@pytest.mark.parametrize(
    ("tag", "axis", "statistic_shape"),
    [
        (None, (0, 1, 2), (4, 5, 3)),
        ("axis=element", (0, 1, 2), (4, 5, 3)),
        ("axis=all", (), ()),
        ("axis=2", (2,), (3,)),
        ("axis=0,2", (0, 2), (4, 3)),
        ("axis=2,0", (0, 2), (4, 3)),
    ],
)
def test_axis_names_the_axes_that_keep_their_own_statistics(
    tag: str | None, axis: tuple[int, ...], statistic_shape: tuple[int, ...]
) -> None:
    shape = "shape { dim { size: 4 } dim { size: 5 } dim { size: 3 } }"
    feature = feature_of(*["z_score", *([tag] if tag else [])], form=shape)
    assert (feature.axis, feature.statistic_shape, feature.model_shape) == (axis, statistic_shape, (4, 5, 3))


@pytest.mark.parametrize("form", ["shape {}", "shape { dim { size: 1 } }", "value_count { min: 1 max: 1 }"])
def test_one_value_a_row_comes_out_as_a_scalar_however_it_is_declared(form: str) -> None:
    assert feature_of("z_score", form=form).model_shape == ()


ROLES = [
    "z_score",
    "z_score_per_key:<key>",
    "min_max",
    "robust",
    "category",
    "label",
    "weight",
    "passthrough",
    "ignore",
]


@pytest.mark.parametrize(
    "tags",
    [
        (),
        ("zscore",),
        ("Z_SCORE",),
        ("z_score", "min_max"),
        ("z_score", "z_score"),
        ("z_score", "important"),
        ("clip=3",),
        ("log1p",),
        ("z_score", "unit"),
        ("",),
        ("z_score ",),
        ("z_score_per_key",),
        ("z_score_per_key:",),
        ("robust:x",),
        ("z_score", "z_score_per_key:x"),
        ("picture",),
    ],
)
def test_exactly_one_known_role_is_required(tags: tuple[str, ...]) -> None:
    message = refusal(*tags)
    for role in ROLES:
        assert f"'{role}'" in message
    for tag in tags:
        assert "=" in tag or tag == "log1p" or repr(tag) in message


NUMERIC = ["axis", "missing", "nonfinite", "clip", "log1p", "unit"]


@pytest.mark.parametrize(
    ("tags", "kind", "named", "allowed"),
    [
        (("z_score", "colour=red"), "FLOAT", "colour=red", NUMERIC),
        (("z_score", "Clip=3"), "FLOAT", "Clip=3", NUMERIC),
        (("z_score", "=3"), "FLOAT", "=3", NUMERIC),
        (("z_score", "max_keys=3"), "FLOAT", "max_keys=3", NUMERIC),
        (("min_max", "max_keys=3"), "INT", "max_keys=3", NUMERIC),
        (("z_score", "clip=3", "clip=4"), "FLOAT", "clip=4", NUMERIC),
        (("z_score", "log1p", "log1p"), "FLOAT", "log1p", NUMERIC),
        (("category", "clip=3"), "BYTES", "clip=3", ["max_keys", "unit"]),
        (("category", "missing=mean"), "BYTES", "missing=mean", ["max_keys", "unit"]),
        (("label", "missing=error"), "INT", "missing=error", ["unit"]),
        (("label", "log1p"), "FLOAT", "log1p", ["unit"]),
        (("passthrough", "clip=3"), "FLOAT", "clip=3", ["unit"]),
        (("ignore", "axis=all"), "FLOAT", "axis=all", ["unit"]),
    ],
)
def test_an_option_that_the_role_does_not_take_or_twice_the_same_is_refused(
    tags: tuple[str, ...], kind: str, named: str, allowed: list[str]
) -> None:
    message = refusal(*tags, kind=kind)
    assert repr(named) in message
    assert repr(tags[0]) in message
    assert str(allowed) in message


@pytest.mark.parametrize(
    ("tag", "allowed"),
    [
        ("missing=median", "mean, indicator, error or constant:<raw value>"),
        ("missing=", "mean, indicator, error or constant:<raw value>"),
        ("missing=constant", "constant:<raw value>"),
        ("missing=constant:", "constant:<raw value>"),
        ("missing=constant:many", "constant:<raw value>"),
        ("missing=constant:nan", "constant:<raw value>"),
        ("missing=constant:1e999", "constant:<raw value>"),
        ("nonfinite=mean", "missing, clip or error"),
        ("nonfinite=", "missing, clip or error"),
        ("clip=0", "greater than 0"),
        ("clip=-1", "greater than 0"),
        ("clip=inf", "greater than 0"),
        ("clip=nan", "greater than 0"),
        ("clip=three", "greater than 0"),
        ("log1p=yes", "without a value"),
        ("axis=2", "element, all, or some of the feature's own axes [0, 1]"),
        ("axis=0,0", "[0, 1]"),
        ("axis=-1", "[0, 1]"),
        ("axis=", "[0, 1]"),
        ("axis=0,", "[0, 1]"),
        ("axis=channel", "[0, 1]"),
        ("axis=²", "[0, 1]"),
    ],
)
def test_a_bad_value_of_an_option_is_refused_with_what_is_allowed(tag: str, allowed: str) -> None:
    message = refusal("z_score", tag, form="shape { dim { size: 2 } dim { size: 3 } }")
    assert f"'{tag}'" in message
    assert allowed in message


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "²", "1e3"])
def test_max_keys_is_a_whole_number_of_at_least_1(text: str) -> None:
    message = refusal("category", f"max_keys={text}", kind="BYTES")
    assert f"'max_keys={text}' must be a whole number of at least 1" in message


@pytest.mark.parametrize("constant", ["-1", "-1.0", "-7"])
def test_a_constant_for_missing_values_must_have_a_log1p_where_one_is_taken(constant: str) -> None:
    assert "greater than -1" in refusal("z_score", "log1p", f"missing=constant:{constant}")
    assert feature_of("z_score", f"missing=constant:{constant}").missing == f"constant:{constant}"
    assert feature_of("z_score", "log1p", "missing=constant:-0.5").missing == "constant:-0.5"


@pytest.mark.parametrize(
    ("role", "kind"), [("z_score", "BYTES"), ("min_max", "BYTES"), ("category", "FLOAT"), ("z_score", "STRUCT")]
)
def test_a_type_that_the_role_cannot_take_is_refused(role: str, kind: str) -> None:
    refusal(role, kind=kind)


def test_a_feature_without_a_type_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"'f'.*INT, FLOAT or BYTES"):
        plan_of(f'feature {{ name: "f" annotation {{ tag: "z_score" }} }} {X}')


@pytest.mark.parametrize(
    ("role", "kind", "form"),
    [
        ("z_score_per_key:x", "FLOAT", ""),
        ("z_score_per_key:x", "INT", "shape { dim { size: 2 } }"),
        ("weight", "FLOAT", "value_count { min: 0 max: 1 }"),
        ("category", "BYTES", "shape { dim { size: 2 } }"),
        ("category", "BYTES", ""),
        ("label", "INT", "shape { dim { size: 3 } }"),
        ("passthrough", "FLOAT", "value_count { min: 1 max: 1 }"),
    ],
)
def test_a_form_that_the_role_cannot_take_is_refused_with_the_one_to_declare(role: str, kind: str, form: str) -> None:
    message = refusal(role, kind=kind, form=form)
    assert f"role {role.partition(':')[0]!r}" in message
    assert re.search("Declare (a )?`shape", message)


@pytest.mark.parametrize("size", [0, -1])
def test_a_dimension_without_a_size_is_refused(size: int) -> None:
    for role in ("z_score", "passthrough"):
        assert "at least 1" in refusal(role, form=f"shape {{ dim {{ size: 2 }} dim {{ size: {size} }} }}")


def test_two_labels_are_refused_by_name() -> None:
    label = 'feature {{ name: "{}" type: INT shape {{}} annotation {{ tag: "label" }} }}'
    with pytest.raises(SchemaError, match=r"\['y', 'z'\].*at most one"):
        plan_of(X + label.format("y") + label.format("z"))


@pytest.mark.parametrize(
    "text", ["", 'feature { name: "c" type: BYTES shape {} annotation { tag: "category" } }'], ids=["empty", "category"]
)
def test_a_schema_without_a_feature_to_normalize_is_refused(text: str) -> None:
    with pytest.raises(
        SchemaError, match=r"No feature to normalize.*'z_score' or 'z_score_per_key' or 'min_max' or 'robust'"
    ):
        plan_of(text)


def digest8(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8")).hexdigest()[:8]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("distance", "distance"),
        ("Body Mass (g)", "Body_Mass_g"),
        ("a/b\\c", "a_b_c"),
        ("a b", "a_b"),
        ("f10", "f10"),
        ("10", "f_10"),
        ("2nd floor", "f_2nd_floor"),
        ("_private", "private"),
        ("a__b", "a_b"),
        ("per cent %", "per_cent"),
        ("x:0", "x_0"),
        ("Höhe", f"H_he_{digest8('Höhe')}"),
        ("高さ", f"feature_{digest8('高さ')}"),
        ("٣", f"feature_{digest8('٣')}"),
        ("1é", f"f_1_{digest8('1é')}"),
        ("%", f"feature_{digest8('%')}"),
        ("tab\tand\nline", "tab_and_line"),
    ],
)
def test_model_names_are_letters_digits_and_underscores(name: str, expected: str) -> None:
    assert model_name(name) == expected
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", model_name(name))


def test_names_beyond_ascii_stay_apart() -> None:
    names = ["Höhe", "Hähe", "H he", "高さ", "長さ", "%", "§"]
    assert len({model_name(name) for name in names}) == len(names)


def test_an_indicator_adds_a_tensor() -> None:
    assert model_names(feature_of("z_score", "missing=indicator")) == ("f", "f_missing")
    assert model_names(feature_of("z_score")) == ("f",)


def feature_text(name: str, *tags: str, kind: str = "FLOAT") -> str:
    quoted = " ".join(f'tag: "{tag}"' for tag in tags)
    return f'feature {{ name: "{name}" type: {kind} shape {{}} annotation {{ {quoted} }} }}'


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (("a b", "z_score"), ("a/b", "z_score"), "a_b"),
        (("a", "z_score", "missing=indicator"), ("a_missing", "z_score"), "a_missing"),
        (("1", "z_score"), ("f_1", "passthrough"), "f_1"),
        (("y", "z_score"), ("_y", "label"), "y"),
    ],
)
def test_two_features_with_one_model_name_are_refused(
    first: tuple[str, ...], second: tuple[str, ...], shared: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        plan_of(feature_text(*first) + feature_text(*second))
    for name in (first[0], second[0], shared):
        assert repr(name) in str(caught.value)


def test_an_ignored_feature_takes_no_model_name() -> None:
    plan = plan_of(feature_text("a b", "z_score") + feature_text("a/b", "ignore"))
    assert [feature.name for feature in plan.used] == ["a b"]


def test_the_json_form_gives_the_equal_plan_back() -> None:
    plan = plan_of(
        """
        feature { name: "é b" type: INT value_count { min: 1 max: 1 }
                  annotation { tag: "min_max" tag: "clip=0.1" tag: "missing=constant:1e-3" tag: "unit=°C \\"x\\"" } }
        feature { name: "m" type: FLOAT shape { dim { size: 2 } dim { size: 4 } }
                  annotation { tag: "z_score" tag: "axis=1" tag: "log1p" tag: "nonfinite=error" } }
        feature { name: "all" type: FLOAT shape { dim { size: 2 } } annotation { tag: "z_score" tag: "axis=all" } }
        feature { name: "c" type: BYTES shape {} annotation { tag: "category" tag: "max_keys=5" } }
        feature { name: "i" type: FLOAT annotation { tag: "ignore" } }
        feature { name: "y" type: BYTES shape {} annotation { tag: "label" } not_in_environment: "SERVING" }
        """
    )
    again = FeaturePlan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()
    assert hash(again) == hash(plan)


def test_a_pickled_plan_is_equal() -> None:
    plan = plan_of(f'{X} feature {{ name: "y" type: FLOAT annotation {{ tag: "robust" }} }}')
    assert pickle.loads(pickle.dumps(plan)) == plan

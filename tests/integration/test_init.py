"""init on real tables: penguins as published, scikit-learn's, and TFRecords; statistics and schema by tfdv itself."""

import importlib.util
from pathlib import Path

import pytest

from components.errors import InputError
from components.feature_plan import FeaturePlan
from pipeline import datasets
from pipeline.config import load_config
from pipeline.init import init
from schemas.loader import load_schema

pytestmark = pytest.mark.beam  # tfdv takes seconds to import

# By hand, from looking at the table.
PENGUIN_ROLES = {
    "studyName": "category",
    "Sample Number": "ignore",  # counts the birds of each species
    "Species": "label",
    "Region": "ignore",  # always Anvers
    "Island": "category",
    "Stage": "ignore",  # always "Adult, 1 Egg Stage"
    "Individual ID": "ignore",
    "Clutch Completion": "category",
    "Date Egg": "category",
    "Culmen Length (mm)": "z_score",
    "Culmen Depth (mm)": "z_score",
    "Flipper Length (mm)": "z_score",
    "Body Mass (g)": "z_score",
    "Sex": "category",
    "Delta 15 N (o/oo)": "z_score",
    "Delta 13 C (o/oo)": "z_score",
    "Comments": "category",
}


@pytest.fixture(scope="module")
def penguins() -> str:
    found = importlib.util.find_spec("palmerpenguins")
    if found is None or found.origin is None:
        pytest.skip("palmerpenguins is not installed (extra 'samples')")
    return str(Path(found.origin).parent / "data" / "penguins-raw.csv")


def test_penguins_by_species(penguins: str, tmp_path: Path) -> None:
    result = init(penguins, "Species", str(tmp_path / "out"))
    assert (result.task, result.rows, result.notes) == ("multiclass", 344, ())
    plan = FeaturePlan.from_schema(load_schema(result.schema))
    assert {feature.name: feature.role for feature in plan.features} == PENGUIN_ROLES
    features = {feature.name: feature for feature in load_schema(result.schema).feature}
    assert [value.split()[0] for value in features["Species"].string_domain.value] == ["Adelie", "Chinstrap", "Gentoo"]
    assert features["Island"].HasField("shape")
    assert not features["Sex"].HasField("shape")  # eleven birds were not sexed
    domains = {domain.name: list(domain.value) for domain in load_schema(result.schema).string_domain}
    assert domains["Island"] == ["Biscoe", "Dream", "Torgersen"]
    assert load_config(result.config).data.path == penguins


def test_penguins_by_sex_leave_out_those_not_sexed(penguins: str, tmp_path: Path) -> None:
    result = init(penguins, "Sex", str(tmp_path / "out"))
    assert result.task == "binary"
    assert load_config(result.config).data.require == ("Sex",)


def test_proposals_fit_the_data_they_come_from(penguins: str, tmp_path: Path) -> None:
    """ExampleValidator's own check finds no anomaly in the table that the schema was proposed from."""
    import tensorflow_data_validation as tfdv

    from pipeline.init.inference import statistics_of
    from pipeline.init.tables import Table

    result = init(penguins, "Species", str(tmp_path / "out"))
    statistics = statistics_of(Table(penguins, "csv").batches())
    anomalies = tfdv.validate_statistics(statistics, load_schema(result.schema))
    assert not anomalies.anomaly_info, anomalies


def test_scikit_learns_tables(tmp_path: Path) -> None:
    data = pytest.importorskip("sklearn.datasets")
    data.load_diabetes(as_frame=True).frame.to_csv(tmp_path / "diabetes.csv", index=False)
    data.load_wine(as_frame=True).frame.to_parquet(tmp_path / "wine.parquet")
    diabetes = init(str(tmp_path / "diabetes.csv"), "target", str(tmp_path / "diabetes"))
    wine = init(str(tmp_path / "wine.parquet"), "target", str(tmp_path / "wine"))
    assert (diabetes.task, diabetes.rows, wine.task, wine.rows) == ("regression", 442, "multiclass", 178)
    for result, columns in ((diabetes, 10), (wine, 13)):
        plan = FeaturePlan.from_schema(load_schema(result.schema))
        assert len(plan.normalized) == len(plan.inputs) == columns
    label = FeaturePlan.from_schema(load_schema(wine.schema)).label
    assert label is not None
    assert label.dtype == "int64"


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_tfrecords(tmp_path: Path, compression: str) -> None:
    import tensorflow as tf

    path = tmp_path / "examples.tfrecord"
    with tf.io.TFRecordWriter(str(path), options=compression) as writer:
        for row in range(100):
            feature = {
                "pair": tf.train.Feature(float_list=tf.train.FloatList(value=[row * 0.5, 1.0])),
                "some": tf.train.Feature(int64_list=tf.train.Int64List(value=range(row % 3))),
                "kind": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"ab"[row % 2 : row % 2 + 1]])),
                "never": tf.train.Feature(),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[row % 2])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    result = init(str(path), "y", str(tmp_path / "out"))
    plan = FeaturePlan.from_schema(load_schema(result.schema))
    assert {feature.name: (feature.role, feature.shape) for feature in plan.features} == {
        "kind": ("category", ()),
        "never": ("ignore", None),
        "pair": ("z_score", (2,)),
        "some": ("ignore", None),
        "y": ("label", ()),
    }
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 3])
    problem = "truncated gzip" if compression else "is not a TFRecord file of tf.Examples"
    with pytest.raises(InputError, match=f"examples.tfrecord.* {problem}"):
        init(str(path), "y", str(tmp_path / "again"))


def test_text_is_no_tfrecord(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1.5,2\n" * 10)
    with pytest.raises(InputError, match=r"t.csv is not a TFRecord file of tf.Examples"):
        init(str(tmp_path / "t.csv"), "y", str(tmp_path / "out"), data_format="tfrecord")


def test_the_flights_schema_finds_no_anomaly_in_the_flights(tmp_path: Path) -> None:
    import tensorflow_data_validation as tfdv

    from components.example_gen.tables import column_types_of_schema, read_batches
    from pipeline.init.inference import statistics_of

    schema = load_schema(Path(datasets.__file__).parent.parent / "schemas" / "flights.pbtxt")
    made = datasets.prepare("flights_small", tmp_path / "flights.csv")
    statistics = statistics_of(read_batches([made.path], "csv", column_types_of_schema(schema)))
    anomalies = tfdv.validate_statistics(statistics, schema, environment="TRAINING")
    assert not anomalies.anomaly_info, anomalies

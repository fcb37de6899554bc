"""The pipeline as it is compiled: which nodes there are, and what enters their cache keys."""

import json
from pathlib import Path
from typing import Any

import pytest
from graph_tables import constants_of, feature, plan_of

from components import NormalizationConstants
from components.errors import ConfigError
from components.step_settings import with_settings
from pipeline.config import load_config

pytestmark = pytest.mark.beam

SCHEMA = """
feature { name: "x" type: FLOAT shape {} presence { min_fraction: 1 } annotation { tag: "z_score" } }
feature { name: "y" type: INT shape {} presence { min_fraction: 1 } annotation { tag: "label" } }
"""


def compiled(folder: Path, data: str, thresholds: str = "", trainer: str = "") -> dict[str, dict[str, str]]:
    """Node id -> parameters that are constants, of the pipeline with this [data] section."""
    return {
        name: {key: value.field_value.string_value for key, value in node.parameters.parameters.items()}
        for name, node in compiled_nodes(folder, data, thresholds, trainer).items()
    }


def compiled_nodes(folder: Path, data: str, thresholds: str = "", trainer: str = "") -> dict[str, Any]:
    """Node id -> TFX's own description of it."""
    from tfx.dsl.compiler.compiler import Compiler

    from pipeline.definition import build_pipeline

    schema = folder / "schema.pbtxt"
    schema.write_text(SCHEMA)
    config = folder / "config.toml"
    config.write_text(
        f'[pipeline]\nname = "p"\ntask = "binary"\n[data]\nschema = "schema.pbtxt"\n{data}\n'
        f"[trainer]\n{trainer}\n[evaluation]\nthresholds = [{thresholds}]\n"
    )
    pipeline = build_pipeline(load_config(config), folder, str(schema), str(schema), "digest-of-the-data")
    nodes = [node.pipeline_node for node in Compiler().compile(pipeline).nodes]
    return {node.node_info.id: node for node in nodes}


def test_bigquery_is_read_by_tfx_with_the_query_and_the_split(tmp_path: Path) -> None:
    nodes = compiled(tmp_path, 'format = "bigquery"\nquery = "SELECT x, y FROM t"')
    example_gen = nodes["BigQueryExampleGen"]
    assert json.loads(example_gen["input_config"])["splits"][0]["pattern"] == "SELECT x, y FROM t"
    splits = json.loads(example_gen["output_config"])["split_config"]["splits"]
    assert [(split["name"], split["hash_buckets"]) for split in splits] == [("train", 4), ("eval", 1)]


@pytest.mark.parametrize(
    ("data", "node"), [('format = "tfrecord"', "ImportExampleGen"), ('format = "csv"', "ArrowExampleGen")]
)
def test_the_digest_of_the_data_enters_the_cache_key(tmp_path: Path, data: str, node: str) -> None:
    nodes = compiled(tmp_path, f'path = "rows"\npartition_feature = "x"\n{data}')
    assert "digest-of-the-data" in nodes[node]["custom_config"]
    assert json.loads(nodes[node]["output_config"])["split_config"]["partition_feature_name"] == "x"


def test_tfx_sees_a_glob_where_a_path_has_spans_and_the_executor_sees_the_window(tmp_path: Path) -> None:
    data = 'path = "day-{SPAN}/*.csv"\nwindow = 28\n[cache]\nmax_bytes = 77'
    properties = compiled(tmp_path, data)["ArrowExampleGen"]
    assert json.loads(properties["input_config"])["splits"][0]["pattern"] == "day-*/*.csv"
    for expected in ("day-{SPAN}/*.csv", f"{tmp_path}/settings.json", "window"):
        assert expected in properties["custom_config"]


def test_neither_the_caches_place_nor_a_limit_nor_the_fanout_enters_a_cache_key(tmp_path: Path) -> None:
    data = 'path = "day-{SPAN}/*.csv"\n'
    plain = compiled(tmp_path, data)
    settings = tmp_path / "settings.json"
    assert json.loads(settings.read_text())["cache_dir"] == f"{tmp_path}/cache"
    other = compiled(tmp_path, data + '[cache]\nmax_bytes = 77\ndir = "gs://bucket/kept"\n[beam]\nfanout = 3')
    assert other == plain
    expected = {"cache_dir": "gs://bucket/kept", "cache_max_bytes": 77, "merge_fanout": 3}
    assert json.loads(settings.read_text()) == expected
    node = plain["NormalizingTransform"]
    assert with_settings(node).items() >= expected.items()
    (tmp_path / "cache-file").write_text("")
    with pytest.raises(ConfigError, match=r"cache\.dir .*/cache-file cannot be a folder"):
        compiled(tmp_path, data + '[cache]\ndir = "cache-file"')


def test_our_own_code_enters_the_cache_keys_of_what_runs_it(tmp_path: Path) -> None:
    from pipeline.code_digest import code_digest

    nodes = compiled(tmp_path, 'path = "rows.csv"')
    assert code_digest() in nodes["Trainer"]["custom_config"]
    assert nodes["NormalizingTransform"]["code_digest"] == code_digest()
    assert nodes["AnomalyGate"]["code_digest"] == code_digest()


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [("", "{folder}/checkpoints"), ('checkpoint_dir = "gs://bucket/states"', "gs://bucket/states")],
)
def test_checkpoints_lie_in_the_runs_folder_unless_the_configuration_says_where(
    tmp_path: Path, trainer: str, expected: str
) -> None:
    from components.trainer.options import TrainingOptions

    custom_config = json.loads(compiled(tmp_path, 'path = "rows.csv"', trainer=trainer)["Trainer"]["custom_config"])
    options = TrainingOptions.from_json(custom_config["training"])
    assert options.checkpoint_dir == expected.format(folder=tmp_path)


def test_the_model_before_is_looked_up_for_the_drift_gate_or_a_threshold_on_the_change(tmp_path: Path) -> None:
    data = 'path = "rows.csv"'
    assert "LatestBlessedModel" in compiled(tmp_path, data, '{ metric = "auc", min = 0.5 }')
    data += '\n[drift]\nbaseline = "before.json"'
    assert "LatestBlessedModel" not in compiled(tmp_path, data, '{ metric = "auc", min = 0.5 }')
    assert "LatestBlessedModel" in compiled(tmp_path, data, '{ metric = "auc", max_drop = 0.1 }')


def test_a_model_that_failed_its_parity_check_is_not_blessed_and_so_no_baseline(tmp_path: Path) -> None:
    assert "ParityCheck" in compiled_nodes(tmp_path, 'path = "rows.csv"')["Evaluator"].upstream_nodes


def test_every_model_that_evaluates_is_blessed_without_thresholds(tmp_path: Path) -> None:
    metrics = json.loads(compiled(tmp_path, 'path = "rows.csv"')["Evaluator"]["eval_config"])["metrics_specs"][0]
    bounds = [metric["threshold"] for metric in metrics["metrics"] if "threshold" in metric]
    assert bounds == [{"value_threshold": {"lower_bound": 1.0}}]


def test_rows_weigh_in_the_evaluation_what_the_schema_says() -> None:
    from components.feature_plan import Feature
    from pipeline.evaluator_config import eval_config

    label, weight = Feature("y", "label", "int64", (), True), Feature("w", "weight", "float32", (), True)
    assert eval_config("binary", label, (), weight).model_specs[0].example_weight_key == "w"
    assert eval_config("binary", label, ()).model_specs[0].example_weight_key == ""


def test_pinned_constants_are_copied_and_their_digest_enters_the_cache_key(tmp_path: Path) -> None:
    plan = plan_of(
        feature("x", "FLOAT", "z_score", shape=""),
        feature("y", "INT", "label", shape=""),
    )
    constants = constants_of(plan, [{"x": 1.0, "y": 0}, {"x": 3.0, "y": 1}])
    (tmp_path / "elsewhere").mkdir()
    constants.save(tmp_path / "elsewhere" / "constants.json")
    node = compiled(tmp_path, 'path = "rows.csv"\n[transform]\nconstants = "elsewhere"')["NormalizingTransform"]
    assert node["constants_digest"] == constants.digest
    copied = NormalizationConstants.load(node["constants_from"])
    assert (copied.digest, copied.provenance.source) == (constants.digest, str(tmp_path / "elsewhere"))
    assert compiled(tmp_path, 'path = "rows.csv"')["NormalizingTransform"]["constants_from"] == ""


def test_pinned_constants_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"transform\.constants"):
        compiled(tmp_path, 'path = "rows.csv"\n[transform]\nconstants = "elsewhere"')


def test_the_trainer_waits_for_the_audit_and_the_pusher_for_every_check(tmp_path: Path) -> None:
    from tfx.dsl.compiler.compiler import Compiler

    from pipeline.definition import build_pipeline

    schema = tmp_path / "schema.pbtxt"
    schema.write_text(SCHEMA)
    config = tmp_path / "config.toml"
    config.write_text('[pipeline]\nname = "p"\ntask = "binary"\n[data]\nschema = "schema.pbtxt"\npath = "rows.csv"\n')
    pipeline = build_pipeline(load_config(config), tmp_path, str(schema), str(schema), "digest-of-the-data")
    before = {
        node.pipeline_node.node_info.id: set(node.pipeline_node.upstream_nodes)
        for node in Compiler().compile(pipeline).nodes
    }

    def behind(name: str) -> set[str]:
        return before[name].union(*map(behind, before[name]))

    assert {"ConstantsAudit", "DriftGate", "AnomalyGate"} <= behind("Trainer")
    assert {"ConstantsAudit", "DriftGate", "ParityCheck", "Evaluator"} <= behind("Pusher")

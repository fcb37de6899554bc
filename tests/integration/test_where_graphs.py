"""A transform graph as the stock Transform writes it is frozen on the way to its constants."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, write_transform_graph

from components.constants import NormalizationConstants
from components.errors import DataError
from pipeline.where import constants_at

REPOSITORY = Path(__file__).resolve().parents[2]
PLAN = plan_of(feature("x", "FLOAT", "z_score", shape=""), feature("kind", "BYTES", "category", shape=""))
ROWS = [{"x": 1.0, "kind": b"a"}, {"x": 3.0, "kind": b"b"}]


def test_a_stock_graph_and_the_folder_of_its_versions(tmp_path: Path) -> None:
    digest = write_transform_graph(PLAN, ROWS, tmp_path / "7").digest
    assert constants_at(tmp_path / "7").digest == constants_at(tmp_path).digest == digest


def test_a_frozen_folder_by_path_or_uri(tmp_path: Path) -> None:
    frozen = write_transform_graph(PLAN, ROWS, tmp_path / "graph")
    frozen.save(tmp_path / "frozen" / "3")
    for where in (tmp_path / "frozen", f"file://{tmp_path}/frozen", f"file://{tmp_path}/frozen/3/constants.json"):
        assert constants_at(where).digest == frozen.digest


def test_a_graph_without_constants_is_a_data_error(tmp_path: Path) -> None:
    module = tf.Module()
    module.transform_fn = tf.function(lambda inputs: inputs, [{"x": tf.TensorSpec([None], tf.float32)}])
    tf.saved_model.save(module, str(tmp_path / "transform_fn"))
    with pytest.raises(DataError, match="constants"):
        constants_at(tmp_path)


def test_what_tensorflow_says_does_not_reach_standard_output(tmp_path: Path) -> None:
    digest = write_transform_graph(PLAN, ROWS, tmp_path / "graph").digest
    command = [sys.executable, "-m", "pipeline", "constants", str(tmp_path / "graph"), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["digest"] == digest
    assert NormalizationConstants.from_json(done.stdout).digest == digest

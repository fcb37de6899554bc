import dataclasses
from pathlib import Path

import pytest

from components.errors import ConfigError
from pipeline.config import BeamSection, PipelineConfig, Threshold, load_config

MINIMAL = """
[pipeline]
name = "flights"
task = "binary"
[data]
path = "t.csv"
schema = "t.pbtxt"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "c.toml"
    file.write_text(text, encoding="utf-8")
    return file


def with_key(section: str, line: str) -> str:
    """The minimal text with one line more in a section, in place of the key's own line where there is one."""
    key = line.partition("=")[0].strip()
    kept = [text for text in MINIMAL.splitlines() if not text.startswith(f"{key} =")]
    if f"[{section}]" not in kept:
        kept.append(f"[{section}]")
    at = kept.index(f"[{section}]") + 1
    return "\n".join([*kept[:at], line, *kept[at:]])


def spans(*lines: str) -> str:
    """The minimal text with a date pattern as its path, and these lines of [data]."""
    path = 'path = "day-{YYYY}-{MM}-{DD}/*.csv"'
    return with_key("data", "\n".join([path, *lines]))


def refusal(folder: Path, text: str) -> str:
    file = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message
    return message


def test_a_minimal_file_gets_the_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, MINIMAL))
    assert (config.pipeline.name, config.pipeline.task) == ("flights", "binary")
    assert config.data.format == "csv"
    assert dict(config.data.split) == {"train": 4, "eval": 1}
    assert (config.data.null_values, config.data.require, config.data.partition_feature) == ((), (), "")
    assert config.trainer.model == "components.trainer.model:build_model"
    assert config.transform.constants == ""
    assert config.evaluation.thresholds == ()
    assert config.beam == BeamSection("in_memory", 1, 16, ())


def test_every_key_is_read(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            """
            [pipeline]
            name = "a-1"
            task = "regression"
            [data]
            path = "in/*.parquet"
            schema = "/elsewhere/s.pbtxt"
            format = "parquet"
            dataset = "flights"
            split = { train = 8, eval = 1, test = 1 }
            partition_feature = "date"
            null_values = ["", "NA"]
            require = ["y"]
            fingerprint = "stat"
            window = 0
            spans = []
            [transform]
            constants = "runs/other"
            [trainer]
            model = "my.model:build"
            epochs = 2
            steps = 100
            batch_size = 64
            learning_rate = 1
            hidden_units = [3]
            dropout = 0.5
            seed = 0
            checkpoint_dir = "states"
            checkpoint_steps = 7
            early_stopping = 3
            strategy = "multi_worker"
            keras_export = true
            fed_check = "warn"
            fed_far = 60.0
            fed_clipped = 0.02
            augment = ["flip", "crop=4"]
            [evaluation]
            thresholds = [{ metric = "mae", max = 2, max_drop = 0.5 }, { metric = "rmse", max = 3.5 }]
            [beam]
            running_mode = "multi_processing"
            workers = 3
            fanout = 0
            args = ["--a", "--b=1"]
            [cache]
            dir = "kept"
            max_bytes = 5
            """,
        )
    )
    assert (config.pipeline.name, config.pipeline.task) == ("a-1", "regression")
    assert dataclasses.asdict(config.data) == {
        "path": str(tmp_path / "in/*.parquet"),
        "schema": "/elsewhere/s.pbtxt",
        "format": "parquet",
        "dataset": "flights",
        "split": {"train": 8, "eval": 1, "test": 1},
        "partition_feature": "date",
        "null_values": ("", "NA"),
        "require": ("y",),
        "query": "",
        "window": 0,
        "spans": (),
        "fingerprint": "stat",
    }
    assert dataclasses.asdict(config.trainer) == {
        "model": "my.model:build",
        "epochs": 2,
        "steps": 100,
        "batch_size": 64,
        "learning_rate": 1.0,
        "hidden_units": (3,),
        "dropout": 0.5,
        "seed": 0,
        "checkpoint_dir": str(tmp_path / "states"),
        "checkpoint_steps": 7,
        "early_stopping": 3,
        "strategy": "multi_worker",
        "keras_export": True,
        "fed_check": "warn",
        "fed_far": 60.0,
        "fed_clipped": 0.02,
        "augment": ("flip", "crop=4"),
    }
    assert isinstance(config.trainer.learning_rate, float)
    assert config.transform.constants == str(tmp_path / "runs/other")
    assert config.evaluation.thresholds == (Threshold("mae", max=2.0, max_drop=0.5), Threshold("rmse", max=3.5))
    assert config.beam == BeamSection("multi_processing", 3, 0, ("--a", "--b=1"))
    assert (config.cache.dir, config.cache.max_bytes) == (str(tmp_path / "kept"), 5)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("window = 28", (28, ())),
        ('spans = ["2013-01-01", "2013-01-28"]', (0, ("2013-01-01", "2013-01-28"))),
        ("", (0, ())),
    ],
)
def test_a_window_of_spans(tmp_path: Path, line: str, expected: tuple[int, tuple[str, ...]]) -> None:
    data = load_config(write(tmp_path, spans(line))).data
    assert data.path == str(tmp_path / "day-{YYYY}-{MM}-{DD}/*.csv")
    assert (data.window, data.spans) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", ""), ("states", "{folder}/states"), ("/states", "/states"), ("gs://bucket/states", "gs://bucket/states")],
)
def test_checkpoint_dir_is_taken_from_the_files_folder(tmp_path: Path, given: str, expected: str) -> None:
    config = load_config(write(tmp_path, with_key("trainer", f'checkpoint_dir = "{given}"')))
    assert config.trainer.checkpoint_dir == expected.format(folder=tmp_path)


def test_the_order_of_the_splits_is_kept(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, with_key("data", "split = { train = 1, test = 1, eval = 2 }")))
    assert list(config.data.split) == ["train", "test", "eval"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("../runs/other", "{parent}/runs/other"),
        ("constants.json", "{folder}/constants.json"),
        ("/runs/other", "/runs/other"),
        ("gs://bucket/constants", "gs://bucket/constants"),
    ],
)
def test_pinned_constants_are_taken_from_the_files_folder(tmp_path: Path, given: str, expected: str) -> None:
    config = load_config(write(tmp_path, with_key("transform", f'constants = "{given}"')))
    assert config.transform.constants == expected.format(folder=tmp_path, parent=tmp_path.parent)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("../data/t.csv", "{parent}/data/t.csv"),
        ("./t.csv", "{folder}/t.csv"),
        ("folder/", "{folder}/folder/"),
        ("many/*.csv", "{folder}/many/*.csv"),
        ("/abs/t.csv", "/abs/t.csv"),
        ("gs://bucket/t.csv", "gs://bucket/t.csv"),
    ],
)
def test_paths_are_taken_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str
) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    write(folder, with_key("data", f'path = "{path}"'))
    monkeypatch.chdir(tmp_path)
    for given in ("sub/c.toml", folder / "c.toml"):
        assert load_config(given).data.path == expected.format(parent=tmp_path, folder=folder)


def test_bigquery_has_a_query_and_no_path(tmp_path: Path) -> None:
    text = with_key("data", 'query = "SELECT 1"\nformat = "bigquery"').replace('path = "t.csv"\n', "")
    config = load_config(write(tmp_path, text))
    assert (config.data.query, config.data.path) == ("SELECT 1", "")


WRONG = {
    "unknown section": (with_key("trainers", "epochs = 1"), "'trainers'"),
    "unknown key": (with_key("trainer", "epoch = 1"), "'epoch'"),
    "unknown key of the transform": (with_key("transform", 'constant = "runs/a"'), "'constant'"),
    "blank constants": (with_key("transform", 'constants = " "'), "transform.constants"),
    "constants that are no text": (with_key("transform", "constants = true"), "constants"),
    "unknown key of a threshold": (
        with_key("evaluation", 'thresholds = [{ metric = "auc", minimum = 1 }]'),
        "'minimum'",
    ),
    "no data": ('[pipeline]\nname = "a"\ntask = "binary"', "'data'"),
    "no pipeline": ('[data]\npath = "a"\nschema = "b"', "'pipeline'"),
    "no task": (MINIMAL.replace('task = "binary"', ""), "'task'"),
    "no name": (MINIMAL.replace('name = "flights"', ""), "'name'"),
    "no schema": (MINIMAL.replace('schema = "t.pbtxt"', ""), "'schema'"),
    "no path": (MINIMAL.replace('path = "t.csv"', ""), "data.path"),
    "no metric": (with_key("evaluation", "thresholds = [{ min = 0.5 }]"), "'metric'"),
    "empty file": ("", "'pipeline'"),
    "empty schema": (with_key("data", 'schema = ""'), "data.schema"),
    "section that is no table": ("pipeline = 3", "pipeline"),
    "name with a space": (with_key("pipeline", 'name = "my flights"'), "pipeline.name"),
    "name in capitals": (with_key("pipeline", 'name = "Flights"'), "pipeline.name"),
    "name too long": (with_key("pipeline", f'name = "{"a" * 129}"'), "pipeline.name"),
    "name with a line break": (with_key("pipeline", r'name = "a\nb"'), "pipeline.name"),
    "name that is a number": (with_key("pipeline", "name = 3"), "name"),
    "unknown task": (with_key("pipeline", 'task = "clustering"'), "'regression'"),
    "unknown format": (with_key("data", 'format = "xlsx"'), "'parquet'"),
    "format that is a list": (with_key("data", "format = []"), "format"),
    "unknown fingerprint": (with_key("data", 'fingerprint = "md5"'), "'stat'"),
    "path and query": (with_key("data", 'query = "SELECT 1"'), "data.query"),
    "bigquery without a query": (with_key("data", 'format = "bigquery"'), "data.query"),
    "split without eval": (with_key("data", "split = { train = 1 }"), "data.split"),
    "split with eval first": (with_key("data", "split = { eval = 1, train = 4 }"), "data.split"),
    "split of 0": (with_key("data", "split = { train = 4, eval = 0 }"), "data.split"),
    "split of a fraction": (with_key("data", "split = { train = 0.8, eval = 0.2 }"), "split.train"),
    "empty split": (with_key("data", "split = {}"), "data.split"),
    "split that is a list": (with_key("data", "split = [4, 1]"), "split"),
    "require that is no list": (with_key("data", 'require = "y"'), "require"),
    "require of a number": (with_key("data", 'require = ["y", 3]'), "require[1]"),
    "null_values of a number": (with_key("data", "null_values = [0]"), "null_values[0]"),
    "epochs 0": (with_key("trainer", "epochs = 0"), "trainer.epochs"),
    "epochs as text": (with_key("trainer", 'epochs = "5"'), "epochs"),
    "epochs as a boolean": (with_key("trainer", "epochs = true"), "epochs"),
    "epochs as a fraction": (with_key("trainer", "epochs = 1.5"), "epochs"),
    "batch_size negative": (with_key("trainer", "batch_size = -1"), "trainer.batch_size"),
    "learning_rate 0": (with_key("trainer", "learning_rate = 0.0"), "trainer.learning_rate"),
    "learning_rate nan": (with_key("trainer", "learning_rate = nan"), "learning_rate"),
    "learning_rate inf": (with_key("trainer", "learning_rate = inf"), "learning_rate"),
    "learning_rate as a boolean": (with_key("trainer", "learning_rate = true"), "learning_rate"),
    "dropout 1": (with_key("trainer", "dropout = 1.0"), "trainer.dropout"),
    "dropout negative": (with_key("trainer", "dropout = -0.1"), "trainer.dropout"),
    "hidden_units as a number": (with_key("trainer", "hidden_units = 128"), "hidden_units"),
    "hidden_units of 0": (with_key("trainer", "hidden_units = [128, 0]"), "trainer.hidden_units"),
    "seed negative": (with_key("trainer", "seed = -1"), "trainer.seed"),
    "seed of 33 bits": (with_key("trainer", "seed = 4294967296"), "trainer.seed"),
    "checkpoint_steps 0": (with_key("trainer", "checkpoint_steps = 0"), "trainer.checkpoint_steps"),
    "early_stopping negative": (with_key("trainer", "early_stopping = -1"), "trainer.early_stopping"),
    "unknown strategy": (with_key("trainer", 'strategy = "tpu"'), "'multi_worker'"),
    "keras_export as a number": (with_key("trainer", "keras_export = 1"), "keras_export"),
    "checkpoint_dir as a number": (with_key("trainer", "checkpoint_dir = 1"), "checkpoint_dir"),
    "model without a function": (with_key("trainer", 'model = "my.model"'), "trainer.model"),
    "model as a path": (with_key("trainer", 'model = "my/model.py:build"'), "trainer.model"),
    "thresholds that are a table": (with_key("evaluation", 'thresholds = { metric = "auc" }'), "thresholds"),
    "threshold that is no table": (with_key("evaluation", "thresholds = [0.8]"), "thresholds[0]"),
    "threshold as text": (with_key("evaluation", 'thresholds = [{ metric = "auc", min = "0.8" }]'), "min"),
    "threshold nan": (with_key("evaluation", 'thresholds = [{ metric = "auc", min = nan }]'), "min"),
    "metric of another task": (with_key("evaluation", 'thresholds = [{ metric = "mae", max = 1 }]'), "'mae'"),
    "maximum where more is better": (with_key("evaluation", 'thresholds = [{ metric = "auc", max = 1 }]'), "'max'"),
    "minimum where less is better": (with_key("evaluation", 'thresholds = [{ metric = "loss", min = 0 }]'), "'min'"),
    "threshold without a bound": (with_key("evaluation", 'thresholds = [{ metric = "auc" }]'), "min, max or max_drop"),
    "two thresholds on one metric": (
        with_key("evaluation", 'thresholds = [{ metric = "auc", min = 0.8 }, { metric = "auc", max_drop = 0.1 }]'),
        "two evaluation thresholds on 'auc'",
    ),
    "beam args as text": (with_key("beam", 'args = "--runner=FnApiRunner"'), "args"),
    "window negative": (spans("window = -1"), "but is -1"),
    "window and spans": (spans("window = 2", 'spans = ["1", "2"]'), "Give one of the two"),
    "spans that are no two": (spans('spans = ["1"]'), "must be the first and the last one"),
    "spans as numbers": (spans("spans = [1, 2]"), "spans[0]"),
    "window without a span in the path": (with_key("data", "window = 2"), "need a data.path with {SPAN}"),
    "half a date in the path": (with_key("data", 'path = "{YYYY}-{MM}.csv"'), "but this has YYYY, MM"),
    "spans of TFRecords": (spans('format = "tfrecord"'), "but here is format 'tfrecord'"),
    "spans of a bundled data set": (spans('dataset = "flights"'), "but here is dataset 'flights'"),
    "drift limit": (with_key("drift", "sigma_ratio = 0.5"), "drift: The drift limit sigma_ratio must be finite"),
    "drift action": (with_key("drift", 'action = "stop"'), "drift: action must be one of 'warn', 'block', 'off'"),
    "parity rows": (with_key("parity", "rows = 0"), "parity.rows must be at least 1"),
    "parity ulps": (with_key("parity", "max_ulps = 0.1"), "parity.max_ulps at least 0.5"),
    "beam mode": (with_key("beam", 'running_mode = "fast"'), "beam: running_mode must be one of 'in_memory'"),
    "workers in memory": (with_key("beam", "workers = 2"), "beam.workers = 2 needs beam.running_mode"),
    "fanout negative": (with_key("beam", "fanout = -1"), "beam.fanout must be at least 0"),
    "audit of less than nothing": (with_key("audit", "sample_bytes = -1"), "audit.sample_bytes and audit.seed must be"),
    "cache negative": (with_key("cache", "max_bytes = -1"), "cache.max_bytes must be at least 0"),
    "no TOML": ("[pipeline\nname = 3", "not valid TOML"),
    "a key twice": (with_key("trainer", "epochs = 1\nepochs = 2"), "not valid TOML"),
}


@pytest.mark.parametrize(("text", "named"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    assert named in refusal(tmp_path, text)


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, with_key("evaluation", 'treshold = "auc"'))
    assert "Known keys here: thresholds." in message


def test_a_metric_of_another_task_is_answered_with_those_of_the_task(tmp_path: Path) -> None:
    text = with_key("evaluation", 'thresholds = [{ metric = "auc", min = 0.5 }]').replace("binary", "multiclass")
    assert "a multiclass task has accuracy, loss" in refusal(tmp_path, text)


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_config(tmp_path / "none.toml")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)


def test_a_file_that_is_not_utf8_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(tmp_path / "c.toml")


@pytest.mark.parametrize("name", ["flights.toml", "flights_small.toml"])
def test_the_bundled_configurations_load(name: str) -> None:
    root = Path(__file__).parents[2]
    config = load_config(root / "pipeline" / name)
    assert isinstance(config, PipelineConfig)
    assert config.data.schema == str(root / "schemas" / "flights.pbtxt")


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, MINIMAL))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.trainer.epochs = 7  # type: ignore[misc]

"""The Trainer's custom_config as options."""

import dataclasses
import json
from typing import Any

import pytest

from components.errors import ConfigError
from components.trainer.options import TrainingOptions
from pipeline.config import TrainerSection

NEEDED: dict[str, Any] = {
    "task": "binary",
    "model": "m:build",
    "epochs": 1,
    "batch_size": 2,
    "learning_rate": 0.5,
    "hidden_units": [3, 4],
    "dropout": 0.0,
    "seed": 0,
}


def test_keys_that_came_later_may_be_absent() -> None:
    options = TrainingOptions.from_json(json.dumps(NEEDED))
    assert options.hidden_units == (3, 4)
    assert (options.checkpoint_dir, options.early_stopping, options.strategy) == ("", 0, "single")


def test_the_options_are_those_of_the_configuration_and_the_task() -> None:
    section = dataclasses.asdict(TrainerSection(seed=5, strategy="mirrored", keras_export=True))
    options = TrainingOptions.from_json(json.dumps({"task": "regression", **section}))
    assert dataclasses.asdict(options) == {"task": "regression", **section}
    defaults = {field.name: field.default for field in dataclasses.fields(TrainerSection)}
    for field in dataclasses.fields(TrainingOptions):
        if field.default is not dataclasses.MISSING:
            assert field.default == defaults[field.name]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"epoch": 1}, r"unknown keys \['epoch'\]"),
        ({"strategy": "tpu"}, "trainer.strategy must be one of 'single', 'mirrored', 'multi_worker' but is 'tpu'"),
        ({"checkpoint_steps": 0}, "checkpoint_steps must be at least 1 but is 0"),
        (
            {"augment": ["spin"]},
            "trainer.augment must hold 'flip' and 'crop=<pixels>', each at most once, but has 'spin'",
        ),
        ({"steps": -1}, "steps must be at least 0 but is -1"),
        ({"early_stopping": -1}, "early_stopping must be at least 0 but is -1"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        TrainingOptions.from_json(json.dumps({**NEEDED, **change}))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"lacks \['epochs', 'seed'\]"):
        TrainingOptions.from_json(json.dumps({k: v for k, v in NEEDED.items() if k not in ("seed", "epochs")}))


def test_what_changes_no_weight_is_not_among_the_deciding_options() -> None:
    deciding = TrainingOptions.from_json(json.dumps(NEEDED)).deciding
    assert set(deciding) == {*NEEDED, "early_stopping", "steps", "strategy", "augment"}

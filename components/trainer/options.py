"""What a training may be asked for: the JSON of ``custom_config["training"]`` as a dataclass."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from components.errors import ConfigError
from components.trainer.augment_options import Augmentation

Task = Literal["binary", "multiclass", "regression"]
Strategy = Literal["single", "mirrored", "multi_worker"]
FedCheck = Literal["block", "warn", "off"]

# Where and how often the state is written, and in which form the model is: the trained weights are the same.
_WITHOUT_EFFECT = ("checkpoint_dir", "checkpoint_steps", "keras_export", "fed_check", "fed_far", "fed_clipped")


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The ``custom_config["training"]`` of a Trainer; meanings in ``pipeline.config.TrainerSection``.

    Keys with a default may be absent, so that a pipeline which names the others goes on working.
    """

    task: str
    model: str
    epochs: int
    batch_size: int
    learning_rate: float
    hidden_units: tuple[int, ...]
    dropout: float
    seed: int
    checkpoint_dir: str = ""
    checkpoint_steps: int = 200
    early_stopping: int = 0
    steps: int = 0
    strategy: Strategy = "single"
    keras_export: bool = False
    fed_check: FedCheck = "block"
    fed_far: float = 50.0
    fed_clipped: float = 0.01
    augment: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> "TrainingOptions":
        """Reads the JSON object of a Trainer's custom_config.

        Raises:
          ConfigError: a key is unknown or missing, or a value is out of its range.
        """
        table = json.loads(text)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(table) - set(fields))
        missing = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in table]
        if unknown or missing:
            raise ConfigError(
                f"The Trainer's custom_config['training'] has the unknown keys {unknown} and lacks {missing}. "
                f"Its keys are {', '.join(fields)}."
            )
        try:
            lists = {name: tuple(table[name]) for name in ("hidden_units", "augment") if name in table}
            options = cls(**{**table, **lists})
            Augmentation.of(options.augment)
            wrong = [(name, required) for name, (right, required) in options._ranges().items() if not right]
        except TypeError as error:
            raise ConfigError(
                f"The Trainer's custom_config['training'] has a value of a wrong type: {error}."
            ) from error
        if wrong:
            name, required = wrong[0]
            raise ConfigError(f"trainer.{name} must be {required} but is {getattr(options, name)!r}.")
        return options

    def _ranges(self) -> dict[str, tuple[bool, str]]:
        """By option whether it is in its range, and the range."""
        kinds = (Task, Strategy, FedCheck)
        tasks, strategies, checks = (f"one of {', '.join(map(repr, get_args(kind)))}" for kind in kinds)
        return {
            "task": (self.task in get_args(Task), tasks),
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "learning_rate": (self.learning_rate > 0, "greater than 0"),
            "hidden_units": (all(units >= 1 for units in self.hidden_units), "widths of at least 1"),
            "dropout": (0 <= self.dropout < 1, "at least 0 and less than 1"),
            "checkpoint_steps": (self.checkpoint_steps >= 1, "at least 1"),
            "steps": (self.steps >= 0, "at least 0"),
            "early_stopping": (self.early_stopping >= 0, "at least 0"),
            "strategy": (self.strategy in get_args(Strategy), strategies),
            "fed_check": (self.fed_check in get_args(FedCheck), checks),
            "fed_far": (self.fed_far > 0, "greater than 0"),
            "fed_clipped": (0 <= self.fed_clipped <= 1, "from 0 to 1"),
        }

    @property
    def deciding(self) -> Mapping[str, Any]:
        """The options that decide which weights come out, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _WITHOUT_EFFECT}

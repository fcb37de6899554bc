"""What a training may be asked for: the JSON of ``custom_config["training"]`` as a dataclass."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from components.errors import ConfigError

Strategy = Literal["single", "mirrored", "multi_worker"]

# Where and how often the state is written, and in which form the model is: the trained weights are the same.
_WITHOUT_EFFECT = ("checkpoint_dir", "checkpoint_steps", "keras_export")


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
    strategy: Strategy = "single"
    keras_export: bool = False

    @classmethod
    def from_json(cls, text: str) -> "TrainingOptions":
        """Reads the JSON object of a Trainer's custom_config.

        Raises:
          ConfigError: a key is unknown or missing, or the strategy is none of ours.
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
        options = cls(**{**table, "hidden_units": tuple(table["hidden_units"])})
        if options.strategy not in get_args(Strategy):
            raise ConfigError(
                f"trainer.strategy must be one of {', '.join(map(repr, get_args(Strategy)))} but is "
                f"{options.strategy!r}."
            )
        if options.checkpoint_steps < 1 or options.early_stopping < 0:
            raise ConfigError(
                f"trainer.checkpoint_steps must be at least 1 but is {options.checkpoint_steps}, and "
                f"trainer.early_stopping at least 0 but is {options.early_stopping}."
            )
        return options

    @property
    def deciding(self) -> Mapping[str, Any]:
        """The options that decide which weights come out, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _WITHOUT_EFFECT}

"""How a step works, and not what it makes: settings in a file, so that none of them is a part of TFX's cache key.

The key holds every parameter of a step, but of these only the file's place: another limit of a cache, or another place
for it, runs nothing again.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from components.errors import DataError

SETTINGS_FILE = "settings_file"


@dataclasses.dataclass(frozen=True)
class StepSettings:
    """What a step takes from the file in the place of its parameters of these names.

    Attributes:
      cache_dir: a folder or URI that keeps spans and their statistics; empty = none is kept.
      cache_max_bytes: bound on that folder.
      merge_fanout: workers that merge the statistics of hundreds of shards before one merges theirs; 0 for none.
    """

    cache_dir: str
    cache_max_bytes: int
    merge_fanout: int

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(dataclasses.asdict(self), indent=1)


def with_settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A step's parameters, with those that its settings file holds, where it names one.

    Raises:
      DataError: the file cannot be read, or is none.
    """
    path = parameters.get(SETTINGS_FILE)
    if not path:
        return dict(parameters)
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path) as file:
            return {**parameters, **dataclasses.asdict(StepSettings(**json.loads(file.read())))}
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise DataError(
            f"No settings at {path}: {error}. Run the pipeline from its start, which writes them."
        ) from error

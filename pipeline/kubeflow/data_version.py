"""A version of data that enters a job's cache key where the backend does not look at the data itself."""

import os
import time
from collections.abc import Mapping
from typing import Any

from components.errors import DataError
from components.example_gen.span_pattern import glob_of
from pipeline.inputs import digest_of_files
from pipeline.kubeflow.uris import BUNDLED

NAME = "data_version"


def with_data_version(values: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """A job's parameter values, with the version of its data where it has a place for one and none was given.

    Open-source Kubeflow takes what an earlier job made of the same path, whatever the files there hold by now.
    """
    unset = NAME in values and NAME not in given and not values[NAME]
    return {**values, NAME: data_version(str(values.get("data_path", "")))} if unset else dict(values)


def data_version(path: str) -> str:
    """Changes with the data at a path or URI; of data that cannot be seen from here it is new each time.

    Local files count by their bytes, remote ones by name, size and time. A bundled data set never changes.
    """
    if path.startswith(BUNDLED):
        return path
    import tensorflow as tf

    from components.example_gen.tables import list_files

    pattern = glob_of(path)
    try:
        # A folder of images holds a folder a class.
        by_class = os.path.isdir(path) and not any(entry.is_file() for entry in os.scandir(path))
        files = sorted(list_files(f"{pattern}/*/*" if by_class else pattern))
        return digest_of_files(files, by_content="://" not in path)
    except (DataError, OSError, NotImplementedError, tf.errors.OpError):
        return f"unseen-{time.time_ns()}-{os.getpid()}"

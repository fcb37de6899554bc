"""Whether this environment can compile and run jobs: TFX's part for Kubeflow needs kfp."""

import importlib.util
import sys

from components.errors import ConfigError

PYTHONS = ((3, 10), (3, 11))  # those for which tfx[kfp] exists


def require_kubeflow(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Returns where TFX can compile for Kubeflow.

    Raises:
      ConfigError: another Python, or kfp is missing.
    """
    if version not in PYTHONS:
        raise ConfigError(
            "This command needs Python 3.10 or 3.11, for which tfx[kfp] exists, but this is Python "
            f"{version[0]}.{version[1]}. Install there, or use the image."
        )
    if importlib.util.find_spec("kfp") is None:
        raise ConfigError("This command needs the package kfp. Install it with: pip install 'tfx-norm[kfp]'")

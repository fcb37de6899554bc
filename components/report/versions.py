"""The releases that were at work."""

import platform
from importlib.metadata import PackageNotFoundError, version

from components.report.facts import Pairs

_PACKAGES = (
    "tfx-norm",
    "tfx",
    "tensorflow",
    "tensorflow-transform",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "apache-beam",
    "keras",
    "ml-metadata",
    "protobuf",
    "pyarrow",
    "numpy",
)


def versions() -> Pairs:
    """Python and the installed packages, with their releases."""
    found = [("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")]
    for package in _PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:  # a container may carry our modules without the distribution
            continue
    return tuple(found)

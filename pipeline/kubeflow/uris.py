"""URIs as TFX can open them: local paths, those of TensorFlow, and files of installed packages."""

import importlib.util
import os
import posixpath

from components.errors import ConfigError

PACKAGE = "package:"
BUNDLED = "bundled:"


def is_elsewhere(place: str) -> bool:
    """Whether ``place`` means the same on every machine: a URI, a packaged file, or a bundled data set."""
    return "://" in place or place.startswith((PACKAGE, BUNDLED))


def packaged(path: str, packages: tuple[str, ...]) -> str | None:
    """``package:schemas/flights.pbtxt`` for a file inside one of the installed packages; None for others."""
    for package in packages:
        folder = os.path.realpath(_folder_of(package))
        inside = os.path.relpath(os.path.realpath(path), folder)
        if not inside.startswith(os.pardir):
            return f"{PACKAGE}{posixpath.join(package, *inside.split(os.sep))}"
    return None


def resolved(place: str) -> str:
    """The path of ``package:<package>/<file>`` where it is installed; anything else as it is.

    Raises:
      ConfigError: no such package, or no such file in it.
    """
    if not place.startswith(PACKAGE):
        return place
    package, _, inside = place.removeprefix(PACKAGE).partition("/")
    path = os.path.join(_folder_of(package), *inside.split("/"))
    if not inside or not os.path.isfile(path):
        raise ConfigError(f"{place}: there is no file {inside!r} in the installed package {package!r}.")
    return path


def _folder_of(package: str) -> str:
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise ConfigError(f"{PACKAGE}{package}/...: no package {package!r} is installed.")
    return str(found.submodule_search_locations[0])

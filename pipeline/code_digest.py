"""A digest of the project's own code, for cache keys: by-path user code is not in TFX's own key."""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

import components
import schemas
from components.errors import ConfigError

_PACKAGES = (components, schemas)


@cache
def code_digest() -> str:
    """Hex SHA-256 over the name and content of every module of ``components`` and ``schemas``."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        digest.update(_digest_of(package.__name__, Path(package.__file__ or "").parent))
    return digest.hexdigest()


def model_digest(path: str) -> str:
    """Hex SHA-256 over the code behind ``module:function``: the module's file, or all of its top-level package.

    Raises:
      ConfigError: there is no such module.
    """
    module = path.partition(":")[0]
    package = module.partition(".")[0]
    try:
        found, top = importlib.util.find_spec(module), importlib.util.find_spec(package)
    except ImportError as error:
        raise ConfigError(f"trainer.model = {path!r} cannot be imported: {error}.") from error
    if found is None or top is None or not found.origin:
        raise ConfigError(
            f"trainer.model = {path!r} cannot be imported: there is no module {module!r}. Put it beside the "
            "configuration, or install it."
        )
    folders = top.submodule_search_locations
    return _digest_of(package, Path(folders[0]) if folders else Path(found.origin)).hex()


def _digest_of(name: str, place: Path) -> bytes:
    digest = hashlib.sha256()
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    for file in files:
        inside = file.relative_to(place) if place.is_dir() else file.name
        digest.update(f"{name}/{inside}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.digest()

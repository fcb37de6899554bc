"""A digest of the project's own code, for cache keys: by-path user code is not in TFX's own key."""

import hashlib
from functools import cache
from pathlib import Path

import components
import schemas

_PACKAGES = (components, schemas)


@cache
def code_digest() -> str:
    """Hex SHA-256 over the name and content of every module of ``components`` and ``schemas``."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        folder = Path(package.__file__ or "").parent
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{package.__name__}/{file.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()

"""Writes a bundled set of images as a folder, once, and checks it byte for byte."""

import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.errors import DataError
from pipeline.sample_images import FILES


@dataclasses.dataclass(frozen=True)
class Expected:
    """How many files a set has, and the digest of their names and contents."""

    files: int
    sha256: str


SETS: Mapping[str, Expected] = {
    "photos": Expected(960, "3816ff075e41482393932010a9fce17d35c7c6d9e5cfcc47b2e02c3996e97230"),
    "digits": Expected(1797, "a57638a8fc43d6195858a48d7f9b42ce7b9496caa0d834d9b7c6d2d60d794b3c"),
}


def write_images(dataset: str, target: Path) -> bool:
    """Makes the folder; False where it is there already, and right. It appears only when it is complete.

    Raises:
      ConfigError: scikit-learn is not installed.
      DataError: what is there, or what was made, is not the set; or the folder is not writable.
    """
    expected = SETS[dataset]
    if target.exists():
        if not target.is_dir() or digest(_files_in(target)) != expected.sha256:
            raise DataError(
                f"{target} is not the bundled data set {dataset!r} ({expected.files:,} images, SHA-256 "
                f"{expected.sha256[:12]}…); delete it to have it made again, or use another path for data of your own."
            )
        return False
    files = dict(FILES[dataset]())
    made = digest(files.items())
    if made != expected.sha256:
        raise DataError(
            f"The bundled data set {dataset!r} must have {expected.files:,} images and SHA-256 {expected.sha256}, but "
            f"the installed scikit-learn gives {len(files):,} images and {made}; install scikit-learn==1.5.1."
        )
    _write(files, target)
    return True


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """Hex SHA-256 over relative paths and contents, whatever the order."""
    total = hashlib.sha256()
    for name, content in sorted(files):
        total.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def _files_in(folder: Path) -> Iterable[tuple[str, bytes]]:
    return ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def _write(files: Mapping[str, bytes], target: Path) -> None:
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.")
        for name, content in files.items():
            path = Path(temporary, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        os.chmod(temporary, 0o755)  # mkdtemp's 0700 would lock other users out
        Path(temporary).replace(target)
    except OSError as error:
        raise DataError(
            f"Cannot write {target}: {error.strerror or error}; make its folder writable or choose another."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)

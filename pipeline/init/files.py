"""Where init writes, and how: both files whole or neither, nothing of the user's overwritten unasked."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.errors import ConfigError


def check_free(folder: Path, names: tuple[str, ...], *, force: bool) -> None:
    """Returns where ``names`` can be written to ``folder``.

    Raises:
      ConfigError: one of them is there already and ``force`` is not given.
    """
    there = [name for name in names if (folder / name).exists()]
    if there and not force:
        raise ConfigError(
            f"{folder / there[0]} is there already; give another --out, or --force to replace it and lose your edits."
        )


def write_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes every text under its name: first all of them to temporary files, then each is renamed.

    Raises:
      ConfigError: the folder cannot be made or written to.
    """
    temporary: dict[str, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            handle, path = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            temporary[name] = Path(path)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(path).chmod(0o644)  # mkstemp's 0600 would lock other users out
        for name, path_of_text in temporary.items():
            path_of_text.replace(folder / name)
    except OSError as error:
        raise ConfigError(f"Cannot write to {folder}: {error.strerror or error}. Choose another --out.") from error
    finally:
        for path_of_text in temporary.values():
            path_of_text.unlink(missing_ok=True)


def path_for_config(data: str, folder: Path) -> str:
    """``data`` as a configuration in ``folder`` names it.

    Relative where the data lie in the folder or beside it, so that both can be moved together; absolute otherwise;
    a URI as it is.
    """
    if "://" in data:
        return data
    absolute, home = Path(os.path.abspath(data)), Path(os.path.abspath(folder))
    near = absolute.is_relative_to(home.parent) and home.parent != Path(home.anchor)
    text = os.path.relpath(absolute, home) if near else str(absolute)
    return text + "/" if data.endswith("/") else text

"""What the backend remembers from job to job: artifacts, and what each step made of which inputs."""

import copy
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import DataError

Json = dict[str, Any]


class Records:
    """A file in the rehearsal's folder; read once, written whole at each change."""

    def __init__(self, path: Path) -> None:
        """Of a folder's rehearsals so far; none where there is no such file.

        Raises:
          DataError: the file is damaged.
        """
        self._path = path
        self.artifacts: list[Json] = []
        self._made: dict[str, Json] = {}
        if path.exists():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                self.artifacts, self._made = list(stored["artifacts"]), dict(stored["made"])
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise DataError(
                    f"{path} is damaged: it must hold what earlier rehearsals made. Delete it, or give another --root."
                ) from error

    def add(self, outputs: Mapping[str, list[Json]]) -> None:
        """Registers a step's artifacts."""
        for listed in outputs.values():
            self.artifacts += [{**artifact, "created": time.time()} for artifact in listed]
        self._write()

    def made(self, key: str) -> Json | None:
        """What a step with this key made before: its ``artifacts`` and ``parameters``."""
        return copy.deepcopy(self._made.get(key))

    def keep(self, key: str, result: Json) -> None:
        """For the next step with this key."""
        self._made[key] = copy.deepcopy(result)
        self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"artifacts": self.artifacts, "made": self._made}), encoding="utf-8")
        temporary.replace(self._path)


def cache_key(parts: Any) -> str:
    """Of everything that decides what a step makes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

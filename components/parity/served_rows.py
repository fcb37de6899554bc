"""A process of its own that asks a model: ``python -m components.parity.served_rows MODEL RECORDS FOLDER``.

It loads TensorFlow and nothing of TFX, tf.Transform or Beam, like a server. Into FOLDER it writes what
``transform_features`` gives, ``tensors.npz``, and how the signatures agree, ``check.json``.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import DataError
from components.parity.serve_check import ServeCheck, served

ALL = 1 << 40
_SECONDS = 900


def main(model: str, records: str, folder: str) -> None:
    """In the process."""
    check, tensors = served(model, records, ALL)
    numbers = {name: tensor for name, tensor in tensors.items() if tensor.dtype.kind in "fi"}
    np.savez(Path(folder, "tensors.npz"), **numbers)
    Path(folder, "check.json").write_text(json.dumps(dataclasses.asdict(check)), encoding="utf-8")


class ServedRows:
    """The process, started at once; ``result`` waits for it."""

    def __init__(self, model: str, records: str, folder: str) -> None:
        """``folder`` is an empty one of this machine."""
        self._model, self._folder = model, folder
        command = [sys.executable, "-m", __name__, model, records, folder]
        # Where this package is, also when its folder is on the path of this process only.
        places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        with open(Path(folder, "log"), "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def stop(self) -> None:
        """Ends the process, if it still runs."""
        self._process.kill()
        self._process.wait()

    def result(self) -> tuple[ServeCheck, dict[str, Any]]:
        """How the signatures agree, and the numbers among the model tensors.

        Raises:
          DataError: the process failed; with its last words.
        """
        try:
            status = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise DataError(f"The model at {self._model} did not answer within {_SECONDS} seconds.") from None
        if status:
            words = Path(self._folder, "log").read_text(encoding="utf-8", errors="replace").strip()
            raise DataError(f"The model at {self._model} cannot be asked in a process of its own: {words[-2000:]}")
        table = json.loads(Path(self._folder, "check.json").read_text(encoding="utf-8"))
        with np.load(Path(self._folder, "tensors.npz"), allow_pickle=False) as found:
            return ServeCheck(**table), dict(found)


if __name__ == "__main__":
    main(*sys.argv[1:])

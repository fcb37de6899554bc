"""A process of its own that asks a model: ``python -m components.parity.served_rows MODEL FOLDER``.

It loads TensorFlow and nothing of Keras, TFX, tf.Transform or Beam, like a server. It reads the rows to ask with from
the file ``rows`` in FOLDER once a line comes on standard input, and leaves there what ``transform_features`` gives,
``tensors.npz``, and how the signatures agree, ``agreement.json``.
"""

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import DataError
from components.parity.agreement import Agreement
from components.parity.reference import Row

_SECONDS = 900


def main(model: str, folder: str) -> None:
    """In the process."""
    # TensorFlow does without Keras where there is none, as a server does, and starts a second sooner.
    sys.modules.update({"keras": None, "tf_keras": None})  # type: ignore[dict-item]
    from components.parity.signatures import Signatures

    signatures = Signatures(model)
    if not sys.stdin.readline():
        return  # whoever wanted to ask is gone
    texts, rows = pickle.loads(Path(folder, "rows").read_bytes())
    agreement, tensors = signatures.ask(texts, rows)
    numbers = {name: tensor for name, tensor in tensors.items() if tensor.dtype.kind in "fi"}
    np.savez(Path(folder, "tensors.npz"), **numbers)
    Path(folder, "agreement.json").write_text(json.dumps(dataclasses.asdict(agreement)), encoding="utf-8")


class ServedRows:
    """The process: it starts at once and loads the model, ``ask`` gives it rows, ``result`` waits for the answer."""

    def __init__(self, model: str, folder: str) -> None:
        """``folder`` is an empty one of this machine."""
        self._model, self._folder = model, folder
        command = [sys.executable, "-m", __name__, model, folder]
        # Where this package is, also when its folder is on the path of this process only.
        places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        with open(Path(folder, "log"), "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)

    def stop(self) -> None:
        """Ends the process, if it still runs."""
        self._process.kill()
        self._process.communicate()

    def ask(self, texts: Sequence[bytes], rows: Sequence[Row]) -> None:
        """Serialized tf.Examples, and the same decoded."""
        Path(self._folder, "rows").write_bytes(pickle.dumps((list(texts), list(rows))))
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.close()
        except BrokenPipeError:
            self._process.wait()  # it has failed already, and ``result`` says how

    def result(self) -> tuple[Agreement, dict[str, Any]]:
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
        table = json.loads(Path(self._folder, "agreement.json").read_text(encoding="utf-8"))
        with np.load(Path(self._folder, "tensors.npz"), allow_pickle=False) as found:
            return Agreement(**table), dict(found)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a finished component is to whoever reports on it, wherever it ran."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class OutputArtifact:
    """One artifact: its address, type name (``Examples``, ``Model``, ...) and properties by name."""

    uri: str
    type_name: str
    properties: Mapping[str, Any]


Outputs = Mapping[str, tuple[OutputArtifact, ...]]


@dataclasses.dataclass(frozen=True)
class NodeResult:
    """A finished component: "done" or "cached", its wall time, and its output artifacts by key."""

    state: str
    seconds: float
    outputs: Outputs

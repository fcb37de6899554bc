"""Provenance: where constants come from. No part of their digest, which says what the data are. No TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What is known of how constants were made; an empty field is not known.

    Attributes:
      schema_digest: hex SHA-256 of the schema that the analysis, or the graph of pinned constants, follows.
      code_version: of the code that computed them, or built that graph: a release, or a digest.
      spans: of the data, as their folders name them, in order.
      source: the place that pinned constants were taken from; empty for those of an analysis.
      source_digest: the digest of the constants at that place.
      source_schema_digest, source_code_version: what these state of themselves.
    """

    schema_digest: str = ""
    code_version: str = ""
    spans: tuple[str, ...] = ()
    source: str = ""
    source_digest: str = ""
    source_schema_digest: str = ""
    source_code_version: str = ""

    def to_table(self) -> dict[str, Any]:
        """The known fields, for a JSON object."""
        known = {name: value for name, value in dataclasses.asdict(self).items() if value}
        return {name: list(value) if name == "spans" else value for name, value in known.items()}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Provenance":
        """What ``to_table`` wrote, from an object that may hold more.

        Raises:
          ValueError: a field that is no text, or spans that are no list of texts.
        """
        found = {field.name: table[field.name] for field in dataclasses.fields(cls) if field.name in table}
        spans = found.pop("spans", [])
        if not isinstance(spans, list) or not all(isinstance(value, str) for value in [*found.values(), *spans]):
            raise ValueError(f"provenance must be texts and a list of them but is {found} with spans {spans!r}")
        return cls(**found, spans=tuple(spans))


UNKNOWN = Provenance()

"""What a check found: findings that stop a run, warnings that do not, figures; as an object and as a JSON file."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import DataError

FORMAT_VERSION = 1
FILE_NAME = "verdict.json"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
      fault: its name in lower case with underscores, such as ``shard_left_out``; stable, for machines.
      message: what was required, what came, and what to do.
      feature: the schema's own name, or empty where it is about no single feature.
    """

    fault: str
    message: str
    feature: str = ""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Attributes:
      check: its name: ``audit``, ``parity``, ``drift`` or ``fed``.
      findings: what stops the run; none in a blessed one.
      warnings: what a person should look at.
      figures: what was compared, as JSON values; by feature under ``features`` where there is one for each.
    """

    check: str
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def blessed(self) -> bool:
        """Whether nothing was found that stops the run."""
        return not self.findings

    def to_json(self) -> str:
        """JSON with ``format_version``; NaN and infinities as texts, which JSON does not have."""
        table = {
            "format_version": FORMAT_VERSION,
            "check": self.check,
            "blessed": self.blessed,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "warnings": [dataclasses.asdict(warning) for warning in self.warnings],
            "figures": _plain(self.figures),
        }
        return json.dumps(table, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "the text given") -> "Verdict":
        """Reads what ``to_json`` wrote.

        Raises:
          DataError: not such a JSON text, or another format version.
        """
        try:
            table = json.loads(text)
            if table["format_version"] != FORMAT_VERSION:
                raise DataError(
                    f"{source} has format_version {table['format_version']!r}; this version reads {FORMAT_VERSION}."
                )
            findings, warnings = (tuple(Finding(**item) for item in table[name]) for name in ("findings", "warnings"))
            return cls(table["check"], findings, warnings, table["figures"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{source} holds no verdict of a check: {error!r}.") from error


class CheckFailedError(ValueError):
    """A check found what must not be pushed; the message lists every finding.

    Attributes:
      verdict: of the check. TFX removes what a failed component wrote; this is what is left of it.
    """

    def __init__(self, message: str, verdict: Verdict | None = None) -> None:
        """See the class."""
        super().__init__(message)
        self.verdict = verdict


def stop_unless_blessed(verdict: Verdict) -> None:
    """Passes a blessed verdict.

    Raises:
      CheckFailedError: naming every finding.
    """
    if verdict.findings:
        raise CheckFailedError(
            f"The {verdict.check} check found {len(verdict.findings)} fault(s); nothing is pushed.\n"
            + "\n".join(line(finding) for finding in verdict.findings),
            verdict,
        )


def line(finding: Finding) -> str:
    """A finding as one indented line of a message."""
    return f"  {finding.fault}: {f'feature {finding.feature!r}: ' if finding.feature else ''}{finding.message}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value

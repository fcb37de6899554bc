"""Verdicts of the checks as the page shows them: one badge each, and what each says of a feature."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.feature_plan import model_name
from components.report.facts import RunFacts
from components.report.wording import figure, figures, label
from components.verdict import Finding, Verdict

# By check: its title and what it asks.
_WHAT = {
    "audit": ("Audit", "Are the constants in the graph those of the data?"),
    "drift": ("Drift", "How far are they from those of the last blessed run?"),
    "fed": ("Fed", "Was the model fed what the constants promise?"),
    "parity": ("Parity", "Do training, serving and the reference agree?"),
}
_OF_FEATURES = "features"
_NUMBERS = "numbers"
_SHOWN_ELSEWHERE = ("histogram", _NUMBERS)


@dataclasses.dataclass(frozen=True)
class Badge:
    """A check at the head of the page; ``state`` is good, warning, bad or absent."""

    title: str
    question: str
    state: str
    text: str


def badges(facts: RunFacts) -> list[Badge]:
    """The known checks in their order, the others behind them, the evaluation last."""
    by_check = {verdict.check: verdict for verdict in facts.checks}
    found = [_badge(check, by_check.get(check)) for check in _WHAT]
    found += [_badge(verdict.check, verdict) for verdict in facts.checks if verdict.check not in _WHAT]
    return [*found, _evaluation_badge(facts)]


def _badge(check: str, verdict: Verdict | None) -> Badge:
    title, question = _WHAT.get(check, (check, ""))
    if verdict is None:
        return Badge(title, question, "absent", "not run")
    if verdict.findings:
        return Badge(title, question, "bad", _several(len(verdict.findings), "fault"))
    if verdict.warnings:
        return Badge(title, question, "warning", _several(len(verdict.warnings), "warning"))
    if check == "drift" and verdict.figures.get("before", "") is None:
        return Badge(title, question, "good", "no baseline")
    return Badge(title, question, "good", "passed")


def _evaluation_badge(facts: RunFacts) -> Badge:
    question = "Is the model good enough to serve?"
    if facts.evaluation is None:
        return Badge("Evaluation", question, "absent", "not run")
    if facts.evaluation.unmet:
        return Badge("Evaluation", question, "bad", _several(len(facts.evaluation.unmet), "threshold") + " missed")
    return Badge("Evaluation", question, "good", "passed")


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def title_of(check: str) -> str:
    """The check's title."""
    return _WHAT.get(check, (check, ""))[0]


def listed(verdicts: Iterable[Verdict]) -> list[tuple[str, str, Finding]]:
    """Every finding and warning as state, check and finding; what stops a run first."""
    both = [("bad", v.check, f) for v in verdicts for f in v.findings]
    return both + [("warning", v.check, f) for v in verdicts for f in v.warnings]


def grouped(found: Iterable[tuple[str, str, Finding]]) -> list[tuple[str, str, str, list[Finding]]]:
    """What ``listed`` gives as state, check, fault and its findings, in the order in which they first occur."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for state, check, finding in found:
        groups.setdefault((state, check, finding.fault), []).append(finding)
    return [(*key, findings) for key, findings in groups.items()]


def scalars(verdict: Verdict) -> list[tuple[str, str]]:
    """What a check compared, the single features aside."""
    return list(figures(verdict.figures, leave_out=(_OF_FEATURES, "edges")))


def of_feature(verdict: Verdict, name: str) -> list[tuple[str, str]]:
    """What a check measured of one feature, which it may call by the schema's name or the model's."""
    found = _figures_of(verdict, name)
    if found is None:
        return []
    return list(figures(found if isinstance(found, Mapping) else {"result": found}, leave_out=_SHOWN_ELSEWHERE))


def numbers_of_feature(verdict: Verdict, name: str) -> tuple[list[str], list[list[str]]] | None:
    """Headings and rows of the numbers that a check has compared of one feature, by where they are from."""
    found = _figures_of(verdict, name)
    table = found.get(_NUMBERS) if isinstance(found, Mapping) else None
    if not isinstance(table, Mapping) or not all(isinstance(row, Mapping) for row in table.values()):
        return None
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    rows = [[label(what), *(figure(row[c]) if c in row else "" for c in columns)] for what, row in table.items()]
    return ["", *map(label, columns)], rows


def _figures_of(verdict: Verdict, name: str) -> Any:
    by_name = verdict.figures.get(_OF_FEATURES)
    return by_name.get(name, by_name.get(model_name(name))) if isinstance(by_name, Mapping) else None


def findings_by_feature(verdicts: Sequence[Verdict]) -> dict[str, list[tuple[str, str, Finding]]]:
    """What ``listed`` gives, by feature."""
    found: dict[str, list[tuple[str, str, Finding]]] = {}
    for entry in listed(verdicts):
        found.setdefault(entry[2].feature, []).append(entry)
    return found

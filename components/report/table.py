"""The table of the features: what each cell says, and the value by which it is sorted."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from components.report.checks import findings_by_feature
from components.report.facts import FeatureFacts, RunFacts
from components.report.wording import between, whole

Sortable = float | str | None


@dataclasses.dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
      key: short, for machines.
      title: for people.
      is_number: aligned right, and sorted from the largest on at the first click.
      texts, values: of each feature; a value of None is sorted last.
      is_minor: left out where there is little room.
    """

    key: str
    title: str
    is_number: bool
    texts: tuple[str, ...]
    values: tuple[Sortable, ...]
    is_minor: bool = False


def columns(facts: RunFacts) -> list[Column]:
    """Name and checks always, and of the others those in which a feature has something to say."""
    features = facts.features

    def column(
        key: str,
        title: str,
        text: Callable[[FeatureFacts], str],
        value: Callable[[FeatureFacts], Sortable],
        *,
        is_number: bool = True,
        is_minor: bool = True,
    ) -> Column:
        texts, values = tuple(map(text, features)), tuple(_finite(value(feature)) for feature in features)
        return Column(key, title, is_number, texts, values, is_minor)

    def floats(name: str) -> tuple[Callable[[FeatureFacts], str], Callable[[FeatureFacts], Sortable]]:
        def of(feature: FeatureFacts) -> list[float]:
            return [getattr(statistic, name) for statistic in feature.statistics]

        return lambda feature: between(of(feature)), lambda feature: max(of(feature), default=None)

    optional = [
        column("role", "Role", lambda f: f.role, lambda f: f.role, is_number=False),
        column("unit", "Unit", _unit, _unit, is_number=False),
        column("total", "Values", lambda f: whole(f.total), lambda f: f.total),
        column("missing", "Missing", _missing, lambda f: f.missing),
        column("nonfinite", "NaN, Inf", lambda f: whole(f.nonfinite or None), lambda f: f.nonfinite),
        column("mean", "Mean", *floats("mean"), is_minor=False),
        column("sigma", "Sigma", *floats("sigma"), is_minor=False),
        column("min", "Min", *floats("min")),
        column("max", "Max", *floats("max")),
        column("keys", "Keys", lambda f: whole(_keys(f) or None), _keys),
    ]
    return [
        column("name", "Feature", lambda f: f.name, lambda f: f.name, is_number=False, is_minor=False),
        *(candidate for candidate in optional if any(candidate.texts)),
        _checks(facts),
    ]


def _finite(value: Sortable) -> Sortable:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):  # JSON has no infinity
        return math.copysign(1.7e308, value)
    return value


def _unit(feature: FeatureFacts) -> str:
    has_logarithm = ("log1p", "yes") in feature.settings
    return f"log1p({feature.unit or 'x'})" if has_logarithm else feature.unit


def _missing(feature: FeatureFacts) -> str:
    if not feature.missing or not feature.total:
        return whole(feature.missing or None)
    return f"{whole(feature.missing)} ({feature.missing / feature.total:.1%})"


def _keys(feature: FeatureFacts) -> int:
    return feature.vocabulary_size or len(feature.keys) + feature.more_keys


def states(facts: RunFacts) -> tuple[str, ...]:
    """Of each feature the worst that a check says: bad, warning, good, or empty where no check has run."""
    found = findings_by_feature(facts.checks)
    good = "good" if facts.checks else ""
    of = {
        name: "bad" if any(state == "bad" for state, _, _ in entries) else "warning" for name, entries in found.items()
    }
    return tuple(of.get(feature.name, good) for feature in facts.features)


def _checks(facts: RunFacts) -> Column:
    found = findings_by_feature(facts.checks)
    ranks = {"bad": 2.0, "warning": 1.0, "good": 0.0}
    texts, values = [], []
    for feature, state in zip(facts.features, states(facts), strict=True):
        count = sum(entry[0] == state for entry in found.get(feature.name, ()))
        texts.append(_state_text(state, count))
        values.append(ranks.get(state))
    return Column("checks", "Checks", True, tuple(texts), tuple(values))


def _state_text(state: str, count: int) -> str:
    words = {"bad": "fault", "warning": "warning"}
    if state not in words:
        return "passed" if state == "good" else "none ran"
    return f"{count} {words[state]}{'s' if count > 1 else ''}"


def roles(features: Sequence[FeatureFacts]) -> list[str]:
    """The roles that occur, the key of a per-key one aside, in their first order."""
    return list(dict.fromkeys(feature.role.partition(":")[0] for feature in features if feature.role))

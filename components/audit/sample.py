"""What some of the shards say of the statistics of all: bounds that the stated ones must keep.

Certain, whatever the shards are: no count and no extreme exceeds the stated one; the mean of n of N values is within
sigma * sqrt((N - n) / n) of the mean of all, and the other N - n values lie between the stated extremes.

By chance: k of K whole shards, drawn at random, have by their spread the standard error
sqrt(k (1 - k / K) / (k - 1) * sum (W_j (m_j - m))^2) / sum W_j of their mean m, where W_j is the weight of a shard's
values and m_j their mean. It holds for sorted data, too. The stated mean must be within that many standard errors that
one right mean in 10^9 is not: 6 for many shards, 13 for 16, 41 for 8, 1,480 for 4; fewer than three tell nothing.

Sources: Samuelson, "How deviant can you be?" (1968), for subsets; Cochran, "Sampling Techniques" (1977), 9A.1 and 6.4,
ratio to size; Gaver and Kafadar, "A retrievable recipe for inverse t" (1984).
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.audit.counted import Counted, counts_words
from components.audit.numbers import COUNTS, found_numbers, stated_numbers
from components.audit.recount import Recounted
from components.constants import NormalizationConstants
from components.verdict import Finding

_Z = 6.0
_ROUNDING = 1e-9  # of the bounds themselves, in shares of |mean| + sigma


def sample_findings(constants: NormalizationConstants, recounted: Recounted) -> tuple[Finding, ...]:
    """Findings of a part of the shards: those of the bounds above."""
    findings = []
    if recounted.rows > constants.rows:
        message = f"a sample of the shards has {recounted.rows} rows but the constants state {constants.rows} for all."
        findings.append(Finding("rows_differ", f"{message} Analyse again."))
    for name, counted in recounted.shards.features.items():
        beyond = _unknown_words(counted) if counts_words(counted.stated.feature) else _excess(counted)
        if not beyond and not counts_words(counted.stated.feature):
            weighted = constants.plan.weight is not None
            beyond = _far_mean(counted, recounted.shards.sums[name], recounted.of, weighted)
        if beyond:
            findings.append(Finding("statistics_differ", f"a sample of the shards has {beyond}. Analyse again.", name))
    return tuple(findings)


def standard_errors(drawn: int) -> float:
    """How many standard errors a right mean is away once in 10^9, from so many shards; infinite below three."""
    freedom = drawn - 1
    if freedom < 2:
        return math.inf
    exponent = _Z**2 * (freedom - 1.5) / (freedom - 1) ** 2
    return math.sqrt(freedom * math.expm1(exponent))


def _unknown_words(counted: Counted) -> str:
    stated = dict(counted.stated.vocabulary)
    excess = [(key, n) for key, n in sorted(counted.words.items()) if n > stated.get(key, 0)]
    return f"{excess[0][0]!r} {excess[0][1]} times, beyond the stated {stated.get(excess[0][0], 0)}" if excess else ""


def _excess(counted: Counted) -> str:
    stated, found = stated_numbers(counted.stated), found_numbers(counted.stated, counted.statistics)
    for key in COUNTS:
        if any(f > s for f, s in zip(found.values[key], stated.values[key], strict=True)):
            return f"{key} {found.values[key][:3]}, beyond the stated {stated.values[key][:3]}"
    for key, sign in (("min", -1), ("max", 1)):
        slack = found.slack.get(key, [0.0] * len(counted.statistics))
        limits = zip(found.values["count"], found.values[key], stated.values[key], slack, strict=True)
        if any(n and sign * (f - s) > most for n, f, s, most in limits):
            return f"{key} {found.values[key][:3]}, beyond the stated {stated.values[key][:3]}"
    return ""


def _far_mean(counted: Counted, sums: Sequence[Sequence[tuple[int, int]]], of: int, weighted: bool) -> str:
    stated = stated_numbers(counted.stated).values
    for at, statistic in enumerate(counted.statistics):
        if not statistic.count:
            continue
        mean, sigma = stated["mean"][at], math.sqrt(stated["variance"][at])
        found = float(statistic.mean)
        slack = _ROUNDING * (abs(mean) + sigma)
        bounds = [] if weighted else list(_certain(statistic.count, found, stated, at))
        error = _standard_error([of_shard[at] for of_shard in sums], found, of)
        many = standard_errors(len(sums))
        if math.isfinite(many):
            bounds.append((found - many * error, found + many * error, f"{many:.3g} standard errors of {error:.6g}"))
        for low, high, why in bounds:
            if not low - slack <= mean <= high + slack:
                return f"mean {found!r} of {statistic.count} values; the stated {mean!r} is beyond {why}"
    return ""


def _certain(n: int, found: float, stated: Mapping[str, list[float]], at: int) -> Iterator[tuple[float, float, str]]:
    of, low, high = (stated[name][at] for name in ("count", "min", "max"))
    far = math.sqrt(stated["variance"][at] * (of - n) / n)
    yield found - far, found + far, "what the stated sigma allows"
    ends = [(n * found + (of - n) * end) / of for end in (low, high)]
    yield ends[0], ends[1], "what the stated extremes allow"


def _standard_error(sums: Sequence[tuple[int, int]], mean: float, of: int) -> float:
    """Of the mean of these shards, by their exact sums of weights and weighted values."""
    k = len(sums)
    everything = sum(weight for weight, _ in sums)
    if k < 2 or not everything:
        return math.inf
    shares = np.array([weight / everything for weight, _ in sums])
    means = np.array([total / weight if weight else mean for weight, total in sums])
    return math.sqrt(k * (1 - k / of) / (k - 1) * float(np.sum((shares * (means - mean)) ** 2)))

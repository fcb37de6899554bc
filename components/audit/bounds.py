"""What some of the shards say of the statistics of all: bounds that the stated ones must keep.

Certain, whatever the shards are: the mean m of n of N values is within sigma * sqrt((N - n) / n) of the mean of all,
the squares of their distances from it are no more than N sigma^2, and the other N - n values lie between the stated
extremes. Of a quartile, no more values lie below it than its share of N, and so above.

By chance: k of K whole shards, drawn at random, have by their spread a standard error of each ratio of their sums
(``components.audit.spread``): mean, variance around it, share of the values below a quartile. It holds for sorted data,
too. The stated number must be within that many standard errors that one right number in 10^9 is not: 6 for many shards,
13 for 16, 41 for 8, 1,480 for 4; fewer than three tell nothing. Shards count by what they hold of the statistic, such
as of a key. Beside that, what the drawn shards do not show is allowed for: one whole shard, or as many single values as
all the draws pass over once in 10^9, at the worst place between the stated extremes.

Sources: Samuelson, "How deviant can you be?" (1968), for subsets; Cochran, "Sampling Techniques" (1977), 9A.1 and 6.4,
ratio to size; Kish, "Survey Sampling" (1965), for shards of unequal size; Gaver and Kafadar, "A retrievable recipe for
inverse t" (1984).
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from components.audit.exact_recount import Recount
from components.audit.spread import COUNT, FIRST, RANKS, SECOND, WEIGHT, Spread

_Z = 6.0
_CHANCE = 1e-9
_ROUNDING = 1e-9  # of the bounds themselves, in shares of |mean| + sigma
Bounds = Iterator[tuple[float, float, str]]


@dataclasses.dataclass(frozen=True)
class Stated:
    """What is stated of all values of a statistic."""

    count: float
    low: float
    high: float
    mean: float
    variance: float


@dataclasses.dataclass(frozen=True)
class Part:
    """What the ``drawn`` shards of ``of`` hold of a statistic: at least one value.

    With ``weighted`` rows the certain bounds do not hold, which count values.
    """

    recount: Recount
    spread: Spread
    drawn: int
    of: int
    weighted: bool

    def beyond(self, stated: Stated) -> str:
        """Which of the stated numbers is impossible, and why; empty where mean and variance may be right."""
        sigma = math.sqrt(max(0.0, stated.variance))
        slack = _ROUNDING * (abs(stated.mean) + sigma)
        numbers = (
            ("mean", stated.mean, slack, float(self.recount.mean), self._of_mean(stated)),
            ("variance", stated.variance, slack * sigma, float(self.recount.variance), self._of_variance(stated)),
        )
        for what, number, slack, found, bounds in numbers:
            for low, high, why in bounds:
                if not low - slack <= number <= high + slack:
                    count = self.recount.count
                    return f"{what} {found!r} of {count} values; the stated {number!r} is beyond {why}"
        return ""

    def wrong_quartile(self, count: int) -> int:
        """The first quartile (1, 2, 3) that has another share of the values than a quarter, two or three; else 0."""
        n = float(self.spread.sums[COUNT])
        unseen, many = self._unseen(count), standard_errors(self.spread.shards(COUNT))
        columns = np.eye(len(self.spread.sums))
        for quarter in (1, 2, 3):
            at = RANKS + 2 * (quarter - 1)
            needed = -(-quarter * count // 4)
            below, upto = self.spread.sums[at : at + 2]
            if below >= needed or n - upto > count - needed:
                return quarter
            (least, below_error), (most, upto_error) = (
                self.spread.ratio(columns[i], COUNT, self.drawn, self.of) for i in (at, at + 1)
            )
            if not math.isfinite(many):
                continue
            share = needed / count
            if least - many * below_error - unseen > share or most + many * upto_error + unseen < share:
                return quarter
        return 0

    def _of_mean(self, stated: Stated) -> Bounds:
        n, of, found = self.recount.count, stated.count, float(self.recount.mean)
        if not self.weighted:
            far = math.sqrt(max(0.0, stated.variance) * max(0, of - n) / n)
            yield found - far, found + far, "what the stated sigma allows"
            ends = [(n * found + (of - n) * end) / of for end in (stated.low, stated.high)]
            yield ends[0], ends[1], "what the stated extremes allow"
        many = standard_errors(self.spread.shards(WEIGHT))
        if math.isfinite(many):
            error = self._ratio(FIRST)[1] * self.spread.scale
            unseen = self._unseen(of)
            low, high = unseen * max(0.0, found - stated.low), unseen * max(0.0, stated.high - found)
            yield found - many * error - low, found + many * error + high, f"{many:.3g} standard errors of {error:.6g}"

    def _of_variance(self, stated: Stated) -> Bounds:
        n, of, found = self.recount.count, stated.count, float(self.recount.variance)
        mean = float(self.recount.mean)
        if not self.weighted:
            squares = n * (found + (mean - stated.mean) ** 2)
            far = max(stated.high - stated.mean, stated.mean - stated.low) ** 2
            yield squares / of, (squares + (of - n) * far) / of, "what the squares and the stated extremes allow"
        many = standard_errors(self.spread.shards(WEIGHT))
        if math.isfinite(many):
            first, _ = self._ratio(FIRST)
            around = np.zeros(len(self.spread.sums))
            around[[WEIGHT, FIRST, SECOND]] = first**2, -2 * first, 1.0
            error = self.spread.ratio(around, WEIGHT, self.drawn, self.of)[1] * self.spread.scale**2
            unseen = self._unseen(of)
            high = unseen * max(stated.high - mean, mean - stated.low) ** 2
            why = f"{many:.3g} standard errors of {error:.6g}"
            yield (1 - unseen) * found - many * error, found + many * error + high, why

    def _ratio(self, column: int) -> tuple[float, float]:
        return self.spread.ratio(np.eye(len(self.spread.sums))[column], WEIGHT, self.drawn, self.of)

    def _unseen(self, count: float) -> float:
        """The share of the values that the drawn shards may tell nothing of."""
        if self.drawn == self.of:
            return 0.0
        singles = math.log(_CHANCE) / math.log1p(-self.drawn / self.of)
        return min(max(1 / self.of, singles / count), max(0.0, 1 - self.recount.count / count))


def standard_errors(drawn: float) -> float:
    """How many standard errors a right mean is away once in 10^9, from so many shards; infinite below three."""
    freedom = drawn - 1
    if freedom < 2 - 1e-9:
        return math.inf
    exponent = _Z**2 * (freedom - 1.5) / (freedom - 1) ** 2
    return math.sqrt(freedom * math.expm1(exponent))

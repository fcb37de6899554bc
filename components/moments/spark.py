"""Spark's view of the table statistics: pieces of work -> states of bytes, merged by a tree. Only bytes travel.

Spark may run a task twice (a lost executor, speculation) and uses one result of it. That this holds is not taken on
trust: a state carries the numbers of the pieces that are in it, two states that share one are not merged, and the
result must hold each piece once. What is wrong with the data travels as a part of the state, too: a task that raises is
tried again by Spark, four times, on data that stay as they are, and then names one file where all are asked for.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.moments.limits import refuse_too_many_keys
from components.moments.table_statistics import TableStatistics

if TYPE_CHECKING:
    from pyspark import SparkContext

Piece = TypeVar("Piece")
# Levels of the merge. Two: about the square root of the number of pieces is merged at a time.
TREE_DEPTH = 2


@dataclasses.dataclass(frozen=True)
class PiecesState:
    """What is known of some pieces of work; pickled as bytes alone.

    Attributes:
      accounts: by the piece's number, what its reader says of it; opaque here.
      statistics: of all of them; none where there are problems.
      problems: what the data do not allow, a line each.
    """

    accounts: Mapping[int, bytes]
    statistics: TableStatistics | None
    problems: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """The form in which Spark moves it: the statistics in their own versioned bytes."""
        statistics = None if self.statistics is None else self.statistics.to_bytes()
        return _unpickled, (dict(self.accounts), statistics, self.problems)


def merged(plan: FeaturePlan, one: PiecesState, other: PiecesState) -> PiecesState:
    """Both states' pieces; exact, associative and commutative.

    Raises:
      RuntimeError: a piece is in both.
    """
    shared = sorted(one.accounts.keys() & other.accounts.keys())
    if shared:
        raise RuntimeError(f"Spark merged the pieces {shared} of the analysis twice. The result is not used.")
    accounts, problems = {**one.accounts, **other.accounts}, one.problems + other.problems
    if one.statistics is None or other.statistics is None:
        return PiecesState(accounts, None, problems)
    try:
        return PiecesState(accounts, refuse_too_many_keys(plan, one.statistics.merge(other.statistics)), problems)
    except DataError as error:
        return PiecesState(accounts, None, (*problems, str(error)))


def _unpickled(accounts: dict[int, bytes], statistics: bytes | None, problems: tuple[str, ...]) -> PiecesState:
    return PiecesState(accounts, None if statistics is None else TableStatistics.from_bytes(statistics), problems)


def merged_by_spark(
    context: "SparkContext",
    pieces: Sequence[Piece],
    plan: FeaturePlan,
    measure: Callable[[str, Piece], tuple[bytes, TableStatistics]],
    depth: int = TREE_DEPTH,
) -> PiecesState:
    """The state of all pieces, each once: a task a piece, then a tree of merges of which the last is the driver's.

    Args:
      context: a running Spark application.
      pieces: what a task is given; small, and picklable.
      plan: what the statistics are of.
      measure: the plan's JSON and a piece -> its account and statistics; importable on the workers. A DataError that
        it raises becomes a problem of the state.
      depth: levels of the tree.

    Raises:
      RuntimeError: the state is not that of every piece, once.
    """
    numbered = list(enumerate(pieces))
    task = _Task(plan.to_json(), measure)
    state: PiecesState = (
        context.parallelize(numbered, len(numbered)).mapPartitions(task).treeReduce(_Merge(plan.to_json()), depth)
    )
    if sorted(state.accounts) != list(range(len(pieces))):
        missing = sorted(set(range(len(pieces))) - state.accounts.keys())
        raise RuntimeError(
            f"Spark reported success, but the pieces {missing} of {len(pieces)} are not in its result. It is not used."
        )
    return state


class _Task:
    """What a partition's pieces give; a class, so that Spark pickles names and no code."""

    def __init__(self, plan: str, measure: Callable[[str, Any], tuple[bytes, TableStatistics]]) -> None:
        self._plan, self._measure = plan, measure

    def __call__(self, pieces: Iterable[tuple[int, Any]]) -> Iterator[PiecesState]:
        for number, piece in pieces:
            try:
                account, statistics = self._measure(self._plan, piece)
                yield PiecesState({number: account}, statistics)
            except DataError as error:
                yield PiecesState({number: b""}, None, (str(error),))


class _Merge:
    """``merged`` for a plan that travels as JSON."""

    def __init__(self, plan: str) -> None:
        self._plan = plan

    def __call__(self, one: PiecesState, other: PiecesState) -> PiecesState:
        return merged(FeaturePlan.from_json(self._plan), one, other)

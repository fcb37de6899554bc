"""A window's statistics are those of a full analysis, bit for bit, whatever came and went before."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cache.shelf import CacheOptions
from components.feature_plan import Feature, FeaturePlan
from components.moments.table_statistics import TableStatistics
from components.transform.measured import Measured
from components.transform.span_statistics import statistics_of

PLAN = FeaturePlan((Feature("x", "z_score", "float32", (), True), Feature("y", "label", "int64", (), True)))
# Values whose float64 sums depend on their order.
ROW = st.tuples(st.sampled_from([0.1, 1e30, -1e30, 3.0, 1e-30, float("nan"), float("inf")]), st.integers(-3, 3))
SPAN = st.lists(ROW, max_size=6)
WINDOW = st.dictionaries(st.integers(0, 5), SPAN, min_size=1, max_size=6)


def measured(rows: Sequence[tuple[float, int]]) -> Measured:
    columns = [np.array([x for x, _ in rows], np.float32), np.array([y for _, y in rows], np.int64)]
    return Measured(TableStatistics.of(PLAN, columns))


def rows_in(file: str) -> list[tuple[float, int]]:
    return [(float(x), int(y)) for x, y in (line.split() for line in Path(file).read_text().splitlines())]


@settings(max_examples=60, deadline=None)
@given(st.lists(WINDOW, min_size=1, max_size=5), st.randoms(use_true_random=False), st.sampled_from([0, 700, 1 << 20]))
def test_a_window_is_what_a_full_analysis_gives(
    windows: list[dict[int, list[tuple[float, int]]]], order, limit
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen: set[str] = set()
        for number, window in enumerate(windows):
            groups = {}
            for span in order.sample(sorted(window), len(window)):
                # Two files a span, at another place in every run and in either order.
                files = [Path(folder) / f"{number}-{span}-{part}" for part in (0, 1)]
                for part, file in enumerate(files):
                    file.write_text("".join(f"{x!r} {y}\n" for x, y in window[span][part::2]))
                groups[str(span)] = order.sample([str(file) for file in files], 2)
            asked: list[str] = []

            def measure(files: Sequence[str], asked: list[str] = asked) -> Measured:
                asked.append(Path(files[0]).name.split("-")[1])
                return measured([row for file in files for row in rows_in(file)])

            found = statistics_of(groups, PLAN, measure, CacheOptions(f"{folder}/cache", limit), "code")
            everything = measured([row for rows in window.values() for row in rows])
            assert found.statistics.to_bytes() == everything.statistics.to_bytes()
            assert list(found.measured) == asked
            assert sorted([*found.measured, *found.reused]) == sorted(groups)
            contents = {span: str(sorted(str(window[int(span)][part::2]) for part in (0, 1))) for span in groups}
            if limit == 1 << 20:
                assert not {contents[span] for span in found.measured} & seen
                seen |= {contents[span] for span in found.measured}
                assert {contents[span] for span in found.reused} <= seen

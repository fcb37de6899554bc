"""Constants, statistics and verdicts -> what the report says of each feature."""

import math

import numpy as np
import pytest
from hand_constants import number, set_of, table_by_key, words
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.constants import FeatureConstants
from components.report.checks import badges, of_feature
from components.report.facts import FeatureFacts, Histogram, RunFacts
from components.report.features import MAX_KEYS, MAX_STATISTICS, constants_facts, feature_facts
from components.report.histograms import fed_histograms, mapped, raw_histograms
from components.report.table import columns, states
from components.report.wording import between, duration, figure
from components.report.wording import number as as_text
from components.verdict import Finding, Verdict

RAW = Histogram((0.0, 10.0, 20.0), (3.0, 1.0), "by hand")


def facts_of(*constants: FeatureConstants, raw: dict[str, Histogram] | None = None) -> tuple[FeatureFacts, ...]:
    return feature_facts(set_of(*constants), raw or {}, {})


def test_counts_are_summed_over_elements_and_each_element_keeps_its_own() -> None:
    counts = {"count": [5, 6], "absent": [1, 0], "nan": [0, 2]}
    (found,) = facts_of(number(shape=(2,), axis=(0,), mean=[1, 2], variance=[4, 9], low=[0, 0], high=[3, 3], **counts))
    assert (found.total, found.missing, found.nonfinite) == (14, 1, 2)
    assert [(one.label, one.count, one.mean, one.sigma) for one in found.statistics] == [("0", 5, 1, 2), ("1", 6, 2, 3)]
    assert found.more_statistics == 0


def test_of_many_elements_and_keys_the_rest_is_counted() -> None:
    size = MAX_STATISTICS + 7
    each = np.ones(size)
    counts = {"count": each, "absent": 0 * each, "nan": 0 * each}
    wide = number(shape=(size,), axis=(0,), mean=each, variance=each, low=each, high=each, **counts)
    table = table_by_key({f"k{n:03}".encode(): (n + 1, 0.0, 1.0) for n in range(MAX_KEYS + 3)})
    keyed = number("y", role="z_score_per_key", key="k", by_key=table)
    found = facts_of(wide, keyed)
    assert (len(found[0].statistics), found[0].more_statistics) == (MAX_STATISTICS, 7)
    assert (len(found[1].keys), found[1].more_keys) == (MAX_KEYS, 3)
    assert (found[1].keys[0].label, found[1].keys[0].count) == (f"k{MAX_KEYS + 2:03}", MAX_KEYS + 3)


def test_a_vocabulary_is_shown_by_falling_count_and_bytes_that_are_no_text_are_spelled_out() -> None:
    (found,) = facts_of(words("label", {b"a": 1, b"\xff": 9}, role="label"))
    assert found.vocabulary == (("\\xff", 9), ("a", 1))
    assert found.statistics == ()
    assert found.why_not_normalized == "The role label is not normalized."


def test_the_settings_are_those_that_are_not_the_default() -> None:
    (found,) = facts_of(number(log1p=True, clip=5.0, shape=None))
    assert found.settings == (("dtype", "float32"), ("shape", "variable length"), ("clip", "5"), ("log1p", "yes"))


@pytest.mark.parametrize(
    ("constants", "edges"),
    [
        (number(mean=10.0, variance=25.0), (-2.0, 0.0, 2.0)),
        (number(role="min_max", low=0.0, high=40.0), (0.0, 0.25, 0.5)),
        (number(role="robust", quartiles=[0.0, 10.0, 20.0]), (-0.5, 0.0, 0.5)),
        (number(mean=1.0, variance=1.0, log1p=True), tuple(math.log(1 + x) - 1 for x in (0.0, 10.0, 20.0))),
    ],
    ids=["z_score", "min_max", "robust", "log1p"],
)
def test_raw_edges_are_mapped_by_the_role(constants: FeatureConstants, edges: tuple[float, ...]) -> None:
    found = mapped(RAW, constants)
    assert found.edges == pytest.approx(edges)
    assert found.counts == RAW.counts


def test_what_a_clip_cuts_off_is_counted_at_the_bound() -> None:
    wide = Histogram((-9.0, -5.0, 0.0, 5.0, 9.0), (1.0, 10.0, 20.0, 2.0), "by hand")
    found = mapped(wide, number(clip=4.0))
    assert found == Histogram((-4.0, 0.0, 4.0), (11.0, 22.0), f"{wide.source}, its edges mapped through the constants")


def test_a_feature_without_spread_is_all_zeros() -> None:
    found = mapped(Histogram((7.0, 7.0), (5.0,), "by hand"), number(mean=7.0, variance=0.0))
    assert (found.edges, found.counts) == ((0.0, 0.0), (5.0,))


def test_why_there_is_no_normalized_histogram_is_said() -> None:
    keyed = number("y", role="z_score_per_key", key="k", by_key=table_by_key({b"a": (1, 0.0, 1.0)}))
    alone, per_key = facts_of(number(), keyed, raw={"y": RAW})
    assert alone.normalized is None and "no histogram of the raw values" in alone.why_not_normalized
    assert per_key.normalized is None and "more than one pair" in per_key.why_not_normalized


def statistics(*buckets: tuple[float, float, float]) -> statistics_pb2.DatasetFeatureStatisticsList:
    listed = statistics_pb2.DatasetFeatureStatisticsList()
    feature = listed.datasets.add().features.add()
    feature.path.step.append("x")
    quantiles = feature.num_stats.histograms.add(type=statistics_pb2.Histogram.QUANTILES)
    quantiles.buckets.add(low_value=-1, high_value=1, sample_count=99)
    histogram = feature.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    for low, high, count in buckets:
        histogram.buckets.add(low_value=low, high_value=high, sample_count=count)
    return listed


def test_statistics_gens_histogram_of_equal_widths_is_read() -> None:
    found = raw_histograms(statistics((0, 1, 4), (1, 2, 6)), "train")
    assert found == {"x": Histogram((0.0, 1.0, 2.0), (4.0, 6.0), "StatisticsGen, split train")}


@pytest.mark.parametrize("buckets", [(), ((0, math.inf, 4),), ((math.nan, 1, 4),), ((2, 1, 4),)])
def test_buckets_without_a_finite_rising_width_give_no_histogram(
    buckets: tuple[tuple[float, float, float], ...],
) -> None:
    assert raw_histograms(statistics(*buckets), "train") == {}


def test_what_was_fed_is_read_in_both_forms_without_empty_ends() -> None:
    own = Verdict("fed", figures={"edges": [0, 1, 2, 3], "features": {"x": {"histogram": [0, 5, 0]}, "y": {"mean": 1}}})
    each = Verdict("fed", figures={"features": {"x": {"histogram": {"edges": [0, 1, 2, 3], "counts": [0, 5, 0]}}}})
    for verdict in (own, each):
        found = fed_histograms(verdict)
        assert list(found) == ["x"]
        assert (found["x"].edges, found["x"].counts) == ((1.0, 2.0), (5.0,))


@pytest.mark.parametrize("histogram", [[1, 2], ["NaN", 1, 1], [0, 0, 0], None, {"counts": [1]}])
def test_what_is_no_histogram_is_left_out(histogram: object) -> None:
    verdict = Verdict("fed", figures={"edges": [0, 1, 2, 3], "features": {"x": {"histogram": histogram}}})
    assert fed_histograms(verdict) == {}


def test_a_histogram_of_what_was_fed_is_preferred() -> None:
    fed = {"x": Histogram((0.0, 1.0), (7.0,), "fed")}
    (found,) = feature_facts(set_of(number()), {"x": RAW}, fed)
    assert (found.raw, found.normalized) == (RAW, fed["x"])


def test_without_constants_the_statistics_still_show() -> None:
    (found,) = feature_facts(None, {"x": RAW}, {})
    assert (found.name, found.raw, found.role) == ("x", RAW, "")


def test_provenance_is_what_is_known() -> None:
    assert constants_facts(set_of(number()).with_graph("ab")).provenance == (("frozen_graph_sha256", "ab"),)


def run(*verdicts: Verdict) -> RunFacts:
    return RunFacts("by hand", features=facts_of(number("a"), number("b"), number("c")), checks=verdicts)


def test_a_feature_has_the_worst_state_that_a_check_gives_it() -> None:
    fault, odd = Finding("one_ulp", "wrong", "a"), Finding("clipped", "odd", "a")
    verdicts = (Verdict("audit", (fault,)), Verdict("fed", (), (odd, Finding("clipped", "odd", "b"))))
    assert states(run(*verdicts)) == ("bad", "warning", "good")
    assert columns(run(*verdicts))[-1].texts == ("1 fault", "1 warning", "passed")
    assert columns(run())[-1].texts == ("none ran",) * 3


def test_each_check_has_a_badge_and_one_that_nobody_knows_is_added() -> None:
    found = badges(run(Verdict("fed", (), (Finding("odd", "odd"),)), Verdict("mine", (Finding("bad", "bad"),) * 2)))
    assert [(badge.title, badge.state, badge.text) for badge in found] == [
        ("Audit", "absent", "not run"),
        ("Drift", "absent", "not run"),
        ("Fed", "warning", "1 warning"),
        ("Parity", "absent", "not run"),
        ("mine", "bad", "2 faults"),
        ("Evaluation", "absent", "not run"),
    ]


def test_figures_of_a_feature_are_found_by_its_own_name_or_the_models() -> None:
    verdict = Verdict("audit", figures={"features": {"a_b": {"ulp": 0.5, "histogram": [1]}, "c": 3}})
    assert of_feature(verdict, "a b") == [("ulp", "0.5")]
    assert of_feature(verdict, "c") == [("result", "3")]
    assert of_feature(verdict, "other") == []


def test_numbers_read_as_a_person_writes_them() -> None:
    assert [as_text(x) for x in (-1.5, math.nan, math.inf, -math.inf, 1234567.0)] == [
        "−1.5",
        "NaN",
        "∞",
        "−∞",
        "1.23457e+06",
    ]
    assert [between(x) for x in ([1.0], [1.0, 1.0], [1.0, 2.0], [math.nan, 2.0], [math.nan], [])] == [
        *("1", "1", "1 to 2", "2", "NaN", "")
    ]
    assert [duration(x) for x in (0.004, 0.25, 99.94, 125.0, 179.7)] == [
        *("0.00 s", "0.2 s", "99.9 s", "2 min 05 s", "3 min 00 s")
    ]
    assert [figure(x) for x in (True, None, 1500, [1, 2.5], list(range(50)), [], "text")] == [
        *("yes", "none", "1,500", "1, 2.5", "50 numbers, 0 to 49", "none", "text")
    ]


def test_sorting_values_are_numbers_that_json_has() -> None:
    both = facts_of(number("a", variance=math.inf), number("b", mean=math.nan))
    by_key = {column.key: column.values for column in columns(RunFacts("x", features=both))}
    assert by_key["mean"] == (0.0, None)
    assert by_key["sigma"][0] == pytest.approx(1.7e308)

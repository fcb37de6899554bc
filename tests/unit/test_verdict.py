"""Verdicts: what stops a run, and the JSON form."""

import json
import pickle

import pytest

from components.errors import DataError
from components.verdict import CheckFailedError, Finding, Verdict, stop_unless_blessed

FAULT = Finding("shard_left_out", "4 shards hold 100 rows, but 75 were analysed: analyse again.", "distance")


def test_a_verdict_without_findings_is_blessed_and_passes():
    verdict = Verdict("audit", warnings=(FAULT,))
    assert verdict.blessed
    stop_unless_blessed(verdict)


def test_findings_stop_and_are_all_named():
    other = Finding("digest", "two digests")
    with pytest.raises(CheckFailedError, match="audit check found 2 fault") as raised:
        stop_unless_blessed(Verdict("audit", (FAULT, other)))
    assert "shard_left_out: feature 'distance': 4 shards hold" in str(raised.value)
    assert "digest: two digests" in str(raised.value)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.verdict) == (str(raised.value), Verdict("audit", (FAULT, other)))


def test_json_goes_both_ways_and_is_strict():
    verdict = Verdict("parity", (FAULT,), (), {"features": {"x": {"ulps": float("inf"), "rows": 3, "z": (1.5,)}}})
    table = json.loads(verdict.to_json(), parse_constant=lambda _: pytest.fail("no JSON"))
    assert table["blessed"] is False
    assert table["figures"] == {"features": {"x": {"ulps": "inf", "rows": 3, "z": [1.5]}}}
    again = Verdict.from_json(verdict.to_json())
    assert again.findings == verdict.findings and again.check == "parity"


@pytest.mark.parametrize("text", ["", "[]", '{"format_version": 1}', '{"format_version": 99}'])
def test_other_texts_are_errors_that_name_the_source(text):
    with pytest.raises(DataError, match=r"some\.json"):
        Verdict.from_json(text, "some.json")

"""2,000 features: the pipeline stays as long as with two, and small enough for any runner's limit on a job request."""

import pytest
from beam_analysis import pipeline_proto
from graph_tables import feature

pytestmark = pytest.mark.prove

LIMIT = 10_000_000  # bytes; Dataflow refuses job requests of more


def test_2000_features_fit_in_a_job_request() -> None:
    proto = pipeline_proto("".join(feature(f"f{i:04d}", "FLOAT", "z_score", shape="") for i in range(2_000)))
    print(f"\n2,000 features: {len(proto.components.transforms)} transforms, {proto.ByteSize():,} bytes")
    assert proto.ByteSize() < LIMIT

"""What the parity check says of tensors that are wrong, or not there."""

import numpy as np
from graph_tables import constants_of, feature, plan_of

from components.parity.judge import judge

PLAN = plan_of(feature("x", "FLOAT", "z_score"), feature("text", "BYTES", "passthrough", shape=""))
ROWS = [{"x": 1.0, "text": b"a"}, {"x": 3.0, "text": b"b"}]
EXAMPLES = [{name: [value] for name, value in row.items()} for row in ROWS]
CONSTANTS = constants_of(PLAN, ROWS)
RIGHT = {"x": np.float32([-1, 1])}


def found(**ways: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    by_way = {f"parity_{name}": (tensors, EXAMPLES) for name, tensors in ways.items()}
    verdict = judge(CONSTANTS, by_way, 1.0, served_digest=CONSTANTS.digest)
    return [(each.fault, each.feature) for each in verdict.findings]


def test_right_tensors_pass_and_texts_are_not_asked_for() -> None:
    assert found(map=RIGHT, serving=RIGHT, beam_transform=RIGHT) == []


def test_a_tensor_that_one_way_lacks_is_a_fault_of_that_way() -> None:
    assert found(map={}, serving=RIGHT) == [("parity_map", "x")]


def test_values_rows_and_digests() -> None:
    assert found(map={"x": np.float32([-1, 1.001])}) == [("parity_map", "x")]
    assert found(map={"x": np.float32([-1])}) == [("parity_map", "x")]
    older = judge(CONSTANTS, {"parity_map": (RIGHT, EXAMPLES)}, 1.0, served_digest="0" * 64)
    assert [each.fault for each in older.findings] == ["older_graph"]
    differ = judge(CONSTANTS, {}, 1.0, served_digest=CONSTANTS.digest, disagreements=["scores differ in 2 rows"])
    assert [each.fault for each in differ.findings] == ["scores_differ"]

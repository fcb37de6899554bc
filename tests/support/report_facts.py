"""Facts of runs that never were, for the tests of the report."""

import math

from components.report.facts import (
    ArtifactFacts,
    ConstantsFacts,
    Curve,
    Evaluation,
    FeatureFacts,
    Histogram,
    Metric,
    Node,
    Outcome,
    RunFacts,
    Statistic,
)
from components.verdict import Finding, Verdict

HOSTILE = "</script><img src=x onerror=alert(1)>"
RAW = Histogram((0.0, 1.0, 2.0, 4.0), (5.0, 20.0, 3.0), "counted by hand")
NORMALIZED = Histogram((-1.0, 0.0, 1.0, 3.0), (5.0, 20.0, 3.0), "the raw one through the constants")


def feature(name: str, mean: float = 1.5, sigma: float = 0.5, unit: str = "mile") -> FeatureFacts:
    """A feature of 28 values, one missing."""
    statistic = Statistic("", 28, 0.0, 4.0, mean, sigma, 1, 0, 0, 0)
    return FeatureFacts(
        name,
        "z_score",
        unit,
        (("dtype", "float32"),),
        total=29,
        missing=1,
        nonfinite=0,
        statistics=(statistic,),
        raw=RAW,
        normalized=NORMALIZED,
    )


def run(features: int) -> RunFacts:
    """A run with every part: a hostile name, a hostile vocabulary, no number, and the others ``f0``, ``f1`` ..."""
    fault = Finding("one_ulp", "the graph holds 1.5000001, constants.json 1.5", "f1")
    mean = {"stated": 1.5, "statistics_gen": 1.25, "difference": 0.25, HOSTILE: HOSTILE}
    of_f1 = {"ulp": 1.0, "numbers": {"count": {"stated": 28, "tolerance": 0.0}, "mean": mean, HOSTILE: {}}}
    plain = tuple(feature(f"f{at}", mean=float(at)) for at in range(features - 3))
    words = FeatureFacts("words", "category", vocabulary=((HOSTILE, 9), ("<b>bold</b>", 4), ("", 1)), vocabulary_size=3)
    return RunFacts(
        "by-hand",
        (("Task", "regression"), (HOSTILE, HOSTILE)),
        Outcome("bad", "ConstantsAudit failed, nothing was pushed", HOSTILE),
        ConstantsFacts("ab" * 32, 29, (("engine", HOSTILE),)),
        (feature(HOSTILE, mean=-7.0, unit=HOSTILE), words, feature("nothing", math.nan, math.inf), *plain),
        (
            Verdict("audit", (fault,), figures={"rows": 29, "features": {"f1": of_f1, HOSTILE: {HOSTILE: HOSTILE}}}),
            Verdict(HOSTILE, (), (Finding(HOSTILE, HOSTILE, HOSTILE),), {HOSTILE: HOSTILE}),
        ),
        (Curve("loss", "train", (1, 2), (0.9, math.nan)), Curve("loss", "validation", (1, 2), (0.8, 0.7))),
        Evaluation((Metric("mae", 1.25, 2.5, "at most 2"), Metric(HOSTILE, math.inf, None, HOSTILE)), (HOSTILE,)),
        (Node("Trainer", "done", 0.0, 12.5), Node("Pusher", "not run"), Node(HOSTILE, "failed", 12.5, 1.0)),
        (
            ArtifactFacts(7, "Model", "/r/model", "Trainer", "model", ("Pusher",)),
            ArtifactFacts(None, *[HOSTILE] * 4, (HOSTILE,)),
        ),
        (("tfx", "1.16.0"), (HOSTILE, HOSTILE)),
        (HOSTILE,),
    )

"""What a report shows, as plain values. Every part may be absent: a failed or foreign run has a report, too."""

import dataclasses

from components.verdict import Verdict

Pairs = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Values counted by ranges.

    Attributes:
      edges: float, rising, [n + 1]; finite.
      counts: [n]; not whole where they were estimated.
      source: who counted what, in words.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    source: str


@dataclasses.dataclass(frozen=True)
class Statistic:
    """The constants of one statistic: of a feature, of one of its elements, or of one key.

    Attributes:
      label: the element's index or the key; empty for a feature that has one statistic.
      count: finite values.
      missing, nan, pos_inf, neg_inf: None for a key, which has no counts of its own.
      min, max, mean, sigma: in the feature's unit, of log1p where it is asked for; may be NaN.
      quartiles: of a robust feature.
    """

    label: str
    count: int
    min: float
    max: float
    mean: float
    sigma: float
    missing: int | None = None
    nan: int | None = None
    pos_inf: int | None = None
    neg_inf: int | None = None
    quartiles: tuple[float, float, float] | None = None


@dataclasses.dataclass(frozen=True)
class FeatureFacts:
    """One feature.

    Attributes:
      name: the schema's own.
      role, unit: of the schema; the role is empty for a feature that only the statistics know.
      settings: shape, policies and other options that are not the default, as texts.
      total: values, missing and non-finite ones included; None where nobody counted.
      missing, nonfinite: of all elements.
      statistics: the first ones; ``more_statistics`` others are left out.
      keys: of a per-key feature, the same way.
      vocabulary: key and count; the first ones of ``vocabulary_size``.
      raw: histogram in the feature's own unit.
      normalized: histogram of the model's input.
      why_not_normalized: in words, where there is none.
      tensors: names of the model's tensors.
    """

    name: str
    role: str = ""
    unit: str = ""
    settings: Pairs = ()
    total: int | None = None
    missing: int | None = None
    nonfinite: int | None = None
    statistics: tuple[Statistic, ...] = ()
    more_statistics: int = 0
    keys: tuple[Statistic, ...] = ()
    more_keys: int = 0
    vocabulary: tuple[tuple[str, int], ...] = ()
    vocabulary_size: int = 0
    raw: Histogram | None = None
    normalized: Histogram | None = None
    why_not_normalized: str = ""
    tensors: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image of the data: its label, and as ``data:`` URIs what it is and what the model gets."""

    label: str
    raw: str
    normalized: str


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """Pictures of one image feature.

    Attributes:
      name: the schema's own.
      pictures: some, of different labels where there are.
      mean: name and ``data:`` URI of each channel of the mean image.
      averaged: images in that mean.
    """

    name: str
    pictures: tuple[Picture, ...]
    mean: tuple[tuple[str, str], ...]
    averaged: int


@dataclasses.dataclass(frozen=True)
class ConstantsFacts:
    """The set of constants: digest, rows analysed, and what is known of where it comes from."""

    digest: str
    rows: int
    provenance: Pairs = ()


@dataclasses.dataclass(frozen=True)
class Curve:
    """A metric over the epochs (from 1) of one part of the data: ``train`` or ``validation``."""

    metric: str
    part: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of the evaluation; ``baseline`` is that of a model that knows no feature, ``bound`` what is required."""

    name: str
    value: float
    baseline: float | None = None
    bound: str = ""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What the Evaluator found; ``unmet`` has a sentence for each threshold that was missed."""

    metrics: tuple[Metric, ...]
    unmet: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Node:
    """A component's part in the run.

    Attributes:
      state: done, cached, failed, stopped, running or not run.
      started: seconds after the run's first component began; None for one that has not run.
      seconds: wall time.
    """

    name: str
    state: str
    started: float | None = None
    seconds: float | None = None

    @property
    def ended(self) -> float:
        """Seconds after the run's first component began; 0 for one that has not run."""
        return (self.started or 0.0) + (self.seconds or 0.0)


@dataclasses.dataclass(frozen=True)
class ArtifactFacts:
    """An artifact in the run's lineage; ``id`` is ML Metadata's, None where it was not registered."""

    id: int | None
    type_name: str
    uri: str
    producer: str = ""
    key: str = ""
    consumers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How it ended: ``good``, ``bad`` or ``unknown``; a short headline and what there is to say about it."""

    state: str
    headline: str
    message: str = ""


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """Everything on the page.

    Attributes:
      title: the pipeline's name.
      about: further lines for the head: run, time, task, data.
      outcome: None where nobody knows.
      checks: verdicts, in the order of the pipeline.
      notes: sentences on what could not be read.
    """

    title: str
    about: Pairs = ()
    outcome: Outcome | None = None
    constants: ConstantsFacts | None = None
    features: tuple[FeatureFacts, ...] = ()
    checks: tuple[Verdict, ...] = ()
    curves: tuple[Curve, ...] = ()
    evaluation: Evaluation | None = None
    timeline: tuple[Node, ...] = ()
    lineage: tuple[ArtifactFacts, ...] = ()
    versions: Pairs = ()
    notes: tuple[str, ...] = ()
    images: tuple[ImageFacts, ...] = ()

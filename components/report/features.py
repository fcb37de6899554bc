"""Constants -> what the report says of each feature. NumPy only."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from components.constants import FeatureConstants, KeyTable, NormalizationConstants
from components.feature_plan import NORMALIZED_ROLES, Feature, model_names
from components.report.facts import ConstantsFacts, FeatureFacts, Histogram, Statistic
from components.report.histograms import mapped
from components.report.wording import figure

# What a person reads of one feature; constants.json has all.
MAX_STATISTICS = 64
MAX_KEYS = 50
# Of an image, by their number.
CHANNELS = {1: ("gray",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}

_SETTINGS = ("dtype", "shape", "axis", "key", "missing", "nonfinite", "clip", "log1p", "min_count", "unseen")
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Feature)}


def constants_facts(constants: NormalizationConstants) -> ConstantsFacts:
    """Digest, rows and provenance."""
    known = constants.provenance.to_table()
    if constants.graph_sha256:
        known["frozen_graph_sha256"] = constants.graph_sha256
    texts = ((name, value if isinstance(value, str) else ", ".join(value)) for name, value in known.items())
    return ConstantsFacts(constants.digest, constants.rows, tuple(texts))


def feature_facts(
    constants: NormalizationConstants | None,
    raw: Mapping[str, Histogram],
    fed: Mapping[str, Histogram],
) -> tuple[FeatureFacts, ...]:
    """One entry a feature of the constants, in schema order; without constants, one a feature of the statistics.

    Args:
      constants: of the run.
      raw: histograms by the schema's own name.
      fed: histograms by model tensor; where there is none, the raw one is mapped through the constants.
    """
    if constants is None:
        return tuple(FeatureFacts(name, raw=histogram) for name, histogram in raw.items())
    return tuple(_feature(one, raw.get(name), fed, constants.rows) for name, one in constants.items())


def _feature(one: FeatureConstants, raw: Histogram | None, fed: Mapping[str, Histogram], rows: int) -> FeatureFacts:
    nonfinite = one.nan + one.pos_inf + one.neg_inf
    statistics = () if one.vocabulary else tuple(_statistics(one, MAX_STATISTICS))
    normalized, why_not = _normalized(one, raw, fed)
    vocabulary = sorted(one.vocabulary, key=lambda entry: -entry[1])[:MAX_KEYS]
    keys = () if one.by_key is None else tuple(_keys(one.by_key))
    return FeatureFacts(
        name=one.name,
        role=f"{one.role}:{one.feature.key}" if one.feature.key else one.role,
        unit=one.unit,
        settings=tuple(_settings(one.feature)),
        total=rows if one.feature.image else int((one.count + one.missing + nonfinite).sum()),
        missing=int(one.missing.max() if one.feature.image else one.missing.sum()),
        nonfinite=int(nonfinite.sum()),
        statistics=statistics,
        more_statistics=0 if one.vocabulary else one.mean.size - len(statistics),
        keys=keys,
        more_keys=len(one.by_key.keys) - len(keys) if one.by_key is not None else 0,
        vocabulary=tuple((_text(key), count) for key, count in vocabulary),
        vocabulary_size=len(one.vocabulary),
        raw=raw,
        normalized=normalized,
        why_not_normalized=why_not,
        tensors=model_names(one.feature) if one.role != "ignore" else (),
    )


def _settings(feature: Feature) -> Iterator[tuple[str, str]]:
    for name in _SETTINGS:
        value = getattr(feature, name)
        if name == "shape" and value is None:
            yield name, "variable length"
        elif name == "dtype" or (name == "shape" and value) or (name != "shape" and value != _DEFAULTS[name] and value):
            yield name, figure(value)
    if feature.image is not None:
        for name, value in dataclasses.asdict(feature.image).items():
            if value is not None:
                yield name, "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _statistics(one: FeatureConstants, most: int) -> Iterator[Statistic]:
    for index in list(np.ndindex(one.mean.shape))[:most]:
        quartiles = None
        if one.quartiles is not None:
            low, middle, high = (float(quartile[index]) for quartile in one.quartiles)
            quartiles = (low, middle, high)
        yield Statistic(
            CHANNELS[one.mean.size][index[0]] if one.feature.image and index else ", ".join(map(str, index)),
            int(one.count[index]),
            min=float(one.min[index]),
            max=float(one.max[index]),
            mean=float(one.mean[index]),
            sigma=float(one.sigma[index]),
            missing=int(one.missing[index]),
            nan=int(one.nan[index]),
            pos_inf=int(one.pos_inf[index]),
            neg_inf=int(one.neg_inf[index]),
            quartiles=quartiles,
        )


def _keys(table: KeyTable) -> Iterator[Statistic]:
    """The most frequent ones; equally frequent ones in byte order."""
    for at in np.argsort(-table.count, kind="stable")[:MAX_KEYS]:
        low, high, mean, sigma = (float(v[at]) for v in (table.min, table.max, table.mean, table.sigma))
        yield Statistic(_text(table.keys[at]), int(table.count[at]), low, high, mean, sigma)


def _normalized(
    one: FeatureConstants, raw: Histogram | None, fed: Mapping[str, Histogram]
) -> tuple[Histogram | None, str]:
    seen = fed.get(model_names(one.feature)[0])
    if seen is not None:
        return seen, ""
    if one.role not in (*NORMALIZED_ROLES, "image"):
        return None, f"The role {one.role} is not normalized."
    if one.feature.key or one.mean.size != 1:
        return None, "It has more than one pair of constants, and the Trainer left no histogram of what it was fed."
    if raw is None:
        return None, "There is no histogram of the raw values to map, and none of what the Trainer was fed."
    return mapped(raw, one), ""


def _text(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")

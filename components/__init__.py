"""The public names of the component set, imported when first used: ``Moments`` loads no TensorFlow."""

import importlib
from typing import Any

_MODULE_OF = {
    "FeaturePlan": "components.feature_plan",
    "Moments": "components.moments",
    "NormalizationConstants": "components.constants",
    "global_moments": "components.moments.analyzer",
    "FrozenTransform": "components.frozen",
    "assert_frozen": "components.frozen.assertion",
    "keras_normalization": "components.frozen.keras_layer",
    "analyze": "components.transform.analyze",
    "find_damage": "components.frozen.damage",
    "normalized_dataset": "components.trainer.input_data",
    "ArrowExampleGen": "components.example_gen.component",
    "NormalizingTransform": "components.transform.component",
    "ParityCheck": "components.parity.component",
    "AnomalyGate": "components.anomalies.component",
    "ConstantsArtifact": "components.artifacts",
    "CheckBlessing": "components.artifacts",
    "DriftGate": "components.drift.component",
    "RunReport": "components.report.component",
    "RunReportArtifact": "components.artifacts",
    "ConstantsAudit": "components.audit.component",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Which anomalies stop a run, as lines a person can read."""

from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2


class AnomaliesError(ValueError):
    """The data break the schema; the message lists where and how."""


def describe(anomalies: anomalies_pb2.Anomalies, split: str) -> list[str]:
    """One line an anomaly of severity ERROR: split, feature, what was found."""
    lines = [
        f"{split}: feature {name!r}: {info.short_description}: {info.description}"
        for name, info in sorted(anomalies.anomaly_info.items())
        if info.severity == anomalies_pb2.AnomalyInfo.ERROR
    ]
    if anomalies.data_missing:
        lines.append(f"{split}: the split holds no data")
    whole = anomalies.dataset_anomaly_info
    if whole.severity == anomalies_pb2.AnomalyInfo.ERROR:
        lines.append(f"{split}: {whole.short_description}: {whole.description}")
    return lines


def stop_on_anomalies(anomalies_by_split: Mapping[str, anomalies_pb2.Anomalies]) -> None:
    """Passes clean data.

    Raises:
      AnomaliesError: naming every anomaly of severity ERROR in any split.
    """
    lines = [line for split, anomalies in sorted(anomalies_by_split.items()) for line in describe(anomalies, split)]
    if lines:
        raise AnomaliesError(
            f"The data break the schema in {len(lines)} place(s). Mend the data, or the schema where it is wrong.\n"
            + "\n".join(f"  {line}" for line in lines)
        )

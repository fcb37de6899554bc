"""Whether the signatures of an exported model give one answer for the same rows. Without TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Whether the signatures give one answer.

    Attributes:
      digest: of the model's constants.
      graph_sha256: of the frozen graph that the model carries.
      rows: asked.
      raw_scores_differ: by output, rows in which ``serving_raw`` and ``serving_default`` do not give the same bits.
      transformed_scores_differ: by output, rows in which ``serving_default`` is not what ``predict_transformed`` gives
        for the tensors of ``transform_features``; empty for a model of variable lengths, which has no such signature.
    """

    digest: str
    graph_sha256: str
    rows: int
    raw_scores_differ: dict[str, int]
    transformed_scores_differ: dict[str, int]

    @property
    def disagreements(self) -> list[str]:
        """A sentence for each pair of signatures that gives different scores."""
        compared = {
            "of serving_raw differs from serving_default": self.raw_scores_differ,
            "of serving_default is not predict_transformed of transform_features": self.transformed_scores_differ,
        }
        return [
            f"{name} {what} in {n} of {self.rows} rows"
            for what, by_name in compared.items()
            for name, n in by_name.items()
            if n
        ]

"""Does an exported model compute what its constants say? Its signatures beside a NumPy reference, on real rows."""

import dataclasses
from pathlib import Path

from components.feature_plan import model_names
from components.frozen.damage import named
from components.frozen.record_files import matching_files
from components.parity.agreement import Agreement
from components.parity.records import first_records, row_of
from components.parity.reference import reference
from components.parity.signatures import Signatures
from components.parity.ulps import worst_ulps

# One rounding of the product to float32, and no more.
MOST_ULPS = 1.0


@dataclasses.dataclass(frozen=True)
class ServeCheck(Agreement):
    """What was compared.

    Attributes:
      ulps: by model tensor, the largest distance between the signature ``transform_features`` and the reference.
    """

    ulps: dict[str, float]

    @property
    def failures(self) -> list[str]:
        """A sentence for each thing that is wrong."""
        far = [f"{name} is {ulps:g} ulp from its constants" for name, ulps in self.ulps.items() if ulps > MOST_ULPS]
        return far + self.disagreements


def serve_check(model: str, data: str, rows: int) -> ServeCheck:
    """Compares the first rows of TFRecord files (a file, a folder or a glob) in a model's signatures.

    Raises:
      DataError: no model with constants there, no such file, or a record that cannot be read.
      DigestError: the model's constants do not agree with themselves or with its graph.
    """
    signatures = Signatures(model)
    frozen = signatures.frozen
    files = matching_files(f"{data}/*" if Path(data).is_dir() else data)
    with named(files, lambda texts: frozen.parse(texts, label=False)):
        texts = first_records(files, rows)
        examples = [row_of(text) for text in texts]
        agreement, tensors = signatures.ask(texts, examples)
    carried = {feature.name for feature in frozen.plan.served}
    expected = reference(frozen.constants, [{k: v for k, v in row.items() if k in carried} for row in examples])
    names = [name for f in frozen.plan.inputs for name in model_names(f) if name in expected]
    ulps = {name: worst_ulps(tensors[name], expected[name]) for name in names}
    return ServeCheck(**dataclasses.asdict(agreement), ulps=ulps)

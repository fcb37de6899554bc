"""Two components, the second with a property that the first computes."""

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Integer, String


@component
def Count(n: OutputArtifact[Integer]) -> None:
    n.value = 6


@component
def Use(text: OutputArtifact[String], n: Parameter[int]) -> None:
    text.value = repr(n)

"""NormalizingTransform: TFX's Transform, whose statistics come from an exact analysis of our own."""

from typing import Any, ClassVar

from tfx import types
from tfx.components.transform.component import Transform
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import transform_pb2
from tfx.types import standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.artifacts import ConstantsArtifact
from components.transform.executor import CONSTANTS, PINNED, PINNED_DIGEST, PREPROCESSING_FN, READ_BYTES, Executor
from components.transform.record_reader import BATCH_BYTES


class NormalizingTransformSpec(types.ComponentSpec):
    """Transform's, with the constants as an output and where they may come from as a parameter."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.TransformSpec.PARAMETERS,
        PINNED: ExecutionParameter(type=str, optional=True),
        PINNED_DIGEST: ExecutionParameter(type=str, optional=True),
        READ_BYTES: ExecutionParameter(type=int, optional=True),
    }
    INPUTS = standard_component_specs.TransformSpec.INPUTS
    OUTPUTS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.TransformSpec.OUTPUTS,
        CONSTANTS: ChannelParameter(type=ConstantsArtifact),
    }
    TYPE_ANNOTATION = standard_component_specs.TransformSpec.TYPE_ANNOTATION


class NormalizingTransform(base_beam_component.BaseBeamComponent):
    """Measures the analyzed splits once, exactly, and writes a transform graph that holds the result as constants.

    The plan comes from the annotated schema inside the step. The analysis reads TFRecords of tf.Examples by
    TensorFlow's own kernels and runs on Beam; tf.Transform then writes the graph without looking at the data, unless
    the preprocessing_fn has analyzers of its own or examples are to be materialized.

    Outputs: ``transform_graph`` (TransformGraph, with the frozen graph and ``constants.json`` in its folder),
    ``constants`` (ConstantsArtifact), and Transform's optional ones.
    """

    SPEC_CLASS = NormalizingTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        *,
        preprocessing_fn: str | None = None,
        module_file: str | None = None,
        splits_config: transform_pb2.SplitsConfig | None = None,
        constants_from: str = "",
        constants_digest: str = "",
        max_batch_bytes: int = BATCH_BYTES,
        materialize: bool = False,
        disable_statistics: bool = True,
        stats_options_updater_fn: str | None = None,
        analyzer_cache: types.BaseChannel | None = None,
        disable_analyzer_cache: bool = True,
        force_tf_compat_v1: bool = False,
        custom_config: dict[str, Any] | None = None,
    ) -> None:
        """Wires the component; what is not named here is as in ``tfx.components.Transform``.

        Args:
          examples: TFRecords of tf.Examples.
          schema: annotated as ``schemas/README.md`` says.
          preprocessing_fn: import path; ours, which follows the schema, if neither it nor ``module_file`` is given. One
            of your own calls ``global_moments``, and gets the plan as ``custom_config["feature_plan"]``.
          module_file: a file with a preprocessing_fn.
          splits_config: which splits are analyzed and transformed; by default "train" is analyzed.
          constants_from: ``constants.json`` of an analysis done elsewhere, or its folder; no data are read then.
          constants_digest: what their digest must be; a step is run again when it changes.
          max_batch_bytes: bound on what is decoded at once, per reader.
          materialize: write transformed examples; the trainer needs none.
          disable_statistics: no TFDV statistics before and after the transform, each of which is a pass of its own.
          stats_options_updater_fn, analyzer_cache, disable_analyzer_cache, force_tf_compat_v1, custom_config:
            Transform's.
        """
        if not module_file and not preprocessing_fn:
            preprocessing_fn = PREPROCESSING_FN
        # Transform knows how its parameters become channels and packages; its specification is taken from it.
        stock = Transform(
            examples=examples,
            schema=schema,
            module_file=module_file,
            preprocessing_fn=preprocessing_fn,
            splits_config=splits_config,
            analyzer_cache=analyzer_cache,
            materialize=materialize,
            disable_analyzer_cache=disable_analyzer_cache,
            force_tf_compat_v1=force_tf_compat_v1,
            custom_config=custom_config,
            disable_statistics=disable_statistics,
            stats_options_updater_fn=stats_options_updater_fn,
        ).spec
        spec = NormalizingTransformSpec(
            **{**stock.inputs, **stock.outputs, **stock.exec_properties},
            **{
                CONSTANTS: types.Channel(type=ConstantsArtifact),
                PINNED: constants_from,
                PINNED_DIGEST: constants_digest,
                READ_BYTES: max_batch_bytes,
            },
        )
        super().__init__(spec=spec)

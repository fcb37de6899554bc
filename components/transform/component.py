"""NormalizingTransform: TFX's Transform, whose statistics come from an exact analysis of our own."""

from typing import Any, ClassVar

from tfx import types
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import transform_pb2
from tfx.types import standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import json_utils

from components.artifacts import ConstantsArtifact
from components.cache.shelf import DEFAULT_MAX_BYTES
from components.constants import NormalizationConstants
from components.errors import ConfigError, DataError
from components.step_settings import SETTINGS_FILE
from components.transform.beam_analysis import FANOUT
from components.transform.executor import (
    CACHE_BYTES,
    CACHE_DIR,
    CODE_DIGEST,
    CONSTANTS,
    MERGE_FANOUT,
    PINNED,
    PINNED_DIGEST,
    PREPROCESSING_FN,
    READ_BYTES,
    Executor,
)
from components.transform.record_reader import BATCH_BYTES


class NormalizingTransformSpec(types.ComponentSpec):
    """Transform's, with the constants as an output and where they may come from as a parameter."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        **specs.TransformSpec.PARAMETERS,
        PINNED: ExecutionParameter(type=str, optional=True),
        PINNED_DIGEST: ExecutionParameter(type=str, optional=True),
        READ_BYTES: ExecutionParameter(type=int, optional=True),
        MERGE_FANOUT: ExecutionParameter(type=int, optional=True),
        CODE_DIGEST: ExecutionParameter(type=str, optional=True),
        CACHE_DIR: ExecutionParameter(type=str, optional=True),
        CACHE_BYTES: ExecutionParameter(type=int, optional=True),
        SETTINGS_FILE: ExecutionParameter(type=str, optional=True),
    }
    INPUTS = specs.TransformSpec.INPUTS
    OUTPUTS: ClassVar[dict[str, Any]] = {
        **specs.TransformSpec.OUTPUTS,
        CONSTANTS: ChannelParameter(type=ConstantsArtifact),
    }
    TYPE_ANNOTATION = specs.TransformSpec.TYPE_ANNOTATION


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
        merge_fanout: int = FANOUT,
        code_digest: str = "",
        cache_dir: str = "",
        cache_max_bytes: int = DEFAULT_MAX_BYTES,
        settings_file: str = "",
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
            of your own calls ``global_moments``, and gets the plan as ``custom_config["feature_plan"]``. It may use all
            of tf.Transform but tables, and so ``tft.vocabulary``: they are no constants, and the step fails with
            NotFrozenError. The role ``category`` looks words up among constants.
          module_file: a file with a preprocessing_fn. TFX makes a wheel of it and installs that in the step, by pip,
            which the environment must have: one made by uv has none. An import path needs neither.
          splits_config: which splits are analyzed and transformed; by default "train" is analyzed.
          constants_from: ``constants.json`` of an analysis done elsewhere, or its folder; no data are read then.
          constants_digest: what their digest must be; a step is run again when it changes. By default that of the
            constants which are there now: TFX's cache key would see their place alone.
          max_batch_bytes: bound on what is decoded at once, per reader.
          merge_fanout: workers that merge the statistics of hundreds of shards before one merges theirs; 0 for none.
          cache_dir: a folder or URI that keeps the statistics of spans from run to run; empty measures all of them.
          cache_max_bytes: bound on that folder; what was not used for longest leaves first.
          settings_file: ``components.step_settings``, read when the step runs: its cache and fanout count, and are no
            part of TFX's cache key.
          code_digest: anything that changes with the code; TFX's own cache key does not see code.
          materialize: write transformed examples; the trainer needs none.
          disable_statistics: no TFDV statistics before and after the transform, each of which is a pass of its own.
          stats_options_updater_fn, analyzer_cache, disable_analyzer_cache, force_tf_compat_v1, custom_config:
            Transform's.

        Raises:
          ValueError: both ``module_file`` and ``preprocessing_fn``, or an analyzer cache that is not to be used.
          ConfigError: a ``cache_dir`` without ``code_digest``.
          DataError: ``constants_from`` without ``constants_digest``, and no constants there to take the digest of.
        """
        if (cache_dir or settings_file) and not code_digest:
            raise ConfigError(
                f"The cache of {cache_dir or settings_file} needs a code_digest, so that what older code measured is "
                "not used. Give a digest or a version of the code that is installed."
            )
        if bool(module_file) and bool(preprocessing_fn):
            raise ValueError("Give a module_file or a preprocessing_fn, or neither for ours, but not both.")
        if analyzer_cache and disable_analyzer_cache:
            raise ValueError("An analyzer_cache is read only with disable_analyzer_cache=False.")
        artifacts = standard_artifacts
        kinds: dict[str, Any] = {specs.TRANSFORM_GRAPH_KEY: artifacts.TransformGraph, CONSTANTS: ConstantsArtifact}
        if materialize:
            kinds[specs.TRANSFORMED_EXAMPLES_KEY] = artifacts.Examples
        if not disable_analyzer_cache:
            kinds[specs.UPDATED_ANALYZER_CACHE_KEY] = artifacts.TransformCache
        if not disable_statistics:
            kinds |= {
                specs.PRE_TRANSFORM_SCHEMA_KEY: artifacts.Schema,
                specs.PRE_TRANSFORM_STATS_KEY: artifacts.ExampleStatistics,
                specs.POST_TRANSFORM_SCHEMA_KEY: artifacts.Schema,
                specs.POST_TRANSFORM_STATS_KEY: artifacts.ExampleStatistics,
                specs.POST_TRANSFORM_ANOMALIES_KEY: artifacts.ExampleAnomalies,
            }
        outputs = {name: types.Channel(type=kind) for name, kind in kinds.items()}
        if materialize:
            outputs[specs.TRANSFORMED_EXAMPLES_KEY].matching_channel_name = specs.EXAMPLES_KEY
        parameters = {
            specs.MODULE_FILE_KEY: module_file,
            specs.PREPROCESSING_FN_KEY: preprocessing_fn or (None if module_file else PREPROCESSING_FN),
            specs.STATS_OPTIONS_UPDATER_FN_KEY: stats_options_updater_fn,
            specs.FORCE_TF_COMPAT_V1_KEY: int(force_tf_compat_v1),
            specs.CUSTOM_CONFIG_KEY: json_utils.dumps(custom_config),
            specs.SPLITS_CONFIG_KEY: splits_config,
            specs.DISABLE_STATISTICS_KEY: int(disable_statistics),
            PINNED: constants_from,
            PINNED_DIGEST: constants_digest or (_digest_at(constants_from) if constants_from else ""),
            READ_BYTES: max_batch_bytes,
            MERGE_FANOUT: merge_fanout,
            CODE_DIGEST: code_digest,
            CACHE_DIR: cache_dir,
            CACHE_BYTES: cache_max_bytes,
            SETTINGS_FILE: settings_file,
        }
        inputs = {specs.EXAMPLES_KEY: examples, specs.SCHEMA_KEY: schema, specs.ANALYZER_CACHE_KEY: analyzer_cache}
        super().__init__(spec=NormalizingTransformSpec(**inputs, **outputs, **parameters))
        if udf_utils.should_package_user_modules():
            udf_utils.add_user_module_dependency(self, specs.MODULE_FILE_KEY, specs.MODULE_PATH_KEY)


def _digest_at(where: str) -> str:
    try:
        return NormalizationConstants.load(where).digest
    except DataError as error:
        raise DataError(f"{error} Or state their constants_digest, if only the step itself can read them.") from error

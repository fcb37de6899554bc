"""Configuration -> a TFX pipeline: which components there are and what flows between them."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.import_example_gen import executor as import_executor
from tfx.components.example_gen.utils import make_default_input_config
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.pipeline import Pipeline

from components.anomalies.component import AnomalyGate
from components.audit.component import ConstantsAudit
from components.drift.component import DriftGate
from components.example_gen.component import ArrowExampleGen
from components.example_gen.custom_options import custom_config
from components.example_gen.span_pattern import base_and_pattern, has_span
from components.feature_plan import FeaturePlan
from components.parity.component import ParityCheck
from components.transform.component import NormalizingTransform
from pipeline.code_digest import code_digest, model_digest
from pipeline.config import PipelineConfig
from pipeline.evaluator_config import eval_config
from pipeline.inputs import stored_constants, stored_settings
from schemas.loader import load_schema

RUN_FN = "components.trainer.run_fn.run_fn"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a pipeline reads and writes: paths or URIs.

    Attributes:
      schema: the schema, at a path that changes with its content where the orchestrator's cache key holds no more.
      columns: the same for the part of the schema that ExampleGen reads, ``schemas.columns``.
      data_digest: changes with the data; part of ExampleGen's cache key.
      artifacts: the pipeline root.
      serving: gets the pushed models.
      checkpoints: of an interrupted training; empty keeps none.
      settings: a file with the cache's place and limits, and no part of a cache key: ``components.step_settings``.
      cache: of spans and their statistics, where there is no such file; empty keeps none.
      constants_from, constants_digest: existing constants to take; empty analyses the data.
      metadata: an ML Metadata store in SQLite; empty where the orchestrator has one of its own.
      has_resolver: whether the orchestrator can look up the latest blessed model.
    """

    schema: str
    columns: str
    data_digest: str
    artifacts: str
    serving: str
    checkpoints: str = ""
    settings: str = ""
    cache: str = ""
    constants_from: str = ""
    constants_digest: str = ""
    metadata: str = ""
    has_resolver: bool = True


def build_pipeline(config: PipelineConfig, root: Path, schema_uri: str, columns_uri: str, data_digest: str) -> Pipeline:
    """The whole pipeline on this machine, with ML Metadata in SQLite below ``root``.

    Args:
      config: what to build.
      root: folder of artifacts, metadata and pushed models.
      schema_uri, columns_uri, data_digest: see ``Places``.
    """
    plan = FeaturePlan.from_schema(load_schema(schema_uri))
    pinned_uri, pinned_digest = stored_constants(config, plan, root)
    places = Places(
        schema=schema_uri,
        columns=columns_uri,
        data_digest=data_digest,
        artifacts=str(root / "artifacts"),
        serving=str(root / "serving"),
        checkpoints=config.trainer.checkpoint_dir or str(root / "checkpoints"),
        settings=stored_settings(config, root),
        constants_from=pinned_uri,
        constants_digest=pinned_digest,
        metadata=str(root / "metadata.db"),
    )
    return pipeline_at(places, config, plan)


def pipeline_at(places: Places, config: PipelineConfig, plan: FeaturePlan) -> Pipeline:
    """The whole pipeline, reading and writing at these places; ``plan`` is the schema's."""
    example_gen = _example_gen(config, places)
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = tfx.components.ImportSchemaGen(schema_file=places.schema)
    schema = schema_gen.outputs["schema"]
    validator = tfx.components.ExampleValidator(statistics=statistics, schema=schema)
    gate = AnomalyGate(anomalies=validator.outputs["anomalies"], code_digest=code_digest())
    transform = NormalizingTransform(
        examples=examples,
        schema=schema,
        splits_config=tfx.proto.SplitsConfig(analyze=["train"]),
        constants_from=places.constants_from,
        constants_digest=places.constants_digest,
        code_digest=code_digest(),
        **_merging(config, places),
    )
    transform.add_upstream_node(gate)
    transform_graph = transform.outputs["transform_graph"]
    audit = ConstantsAudit(
        examples=examples,
        statistics=statistics,
        transform_graph=transform_graph,
        sample_bytes=config.audit.sample_bytes,
        seed=config.audit.seed,
        code_digest=code_digest(),
    )
    latest = _latest_blessed_model() if places.has_resolver else None
    drift = DriftGate(
        constants=transform.outputs["constants"],
        baseline_model=latest.outputs["model"] if latest and not config.drift.baseline else None,
        baseline=config.drift.baseline,
        action=config.drift.action,
        limits=config.drift.limits,
        code_digest=code_digest(),
    )
    trainer = tfx.components.Trainer(
        run_fn=RUN_FN,
        examples=examples,
        transform_graph=transform_graph,
        schema=schema,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={
            "training": _training(config, places.checkpoints),
            "code_digest": code_digest(),
            "model_digest": model_digest(config.trainer.model),
        },
    )
    trainer.add_upstream_node(audit)
    trainer.add_upstream_node(drift)
    model = trainer.outputs["model"]
    # Only a threshold on the change needs the model before: without one, a finished evaluation stays finished.
    compared = any(threshold.max_drop is not None for threshold in config.evaluation.thresholds) and latest is not None
    assert plan.label is not None
    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=latest.outputs["model"] if latest and compared else None,
        schema=schema,
        example_splits=["eval"],
        eval_config=eval_config(config.pipeline.task, plan.label, config.evaluation.thresholds, plan.weight),
    )
    parity = ParityCheck(
        examples=examples,
        schema=schema,
        transform_graph=transform_graph,
        model=model,
        split="eval",
        rows=config.parity.rows,
        max_ulps=config.parity.max_ulps,
        code_digest=code_digest(),
    )
    # Blessed is what the next run is compared with: only a model that passed every check.
    evaluator.add_upstream_node(parity)
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=places.serving)
        ),
    )
    pusher.add_upstream_node(parity)
    return Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=places.artifacts,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            validator,
            gate,
            transform,
            audit,
            *([latest] if latest and (compared or not config.drift.baseline) else []),
            drift,
            trainer,
            parity,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=(
            tfx.orchestration.metadata.sqlite_metadata_connection_config(places.metadata) if places.metadata else None
        ),
        beam_pipeline_args=list(config.beam.args),
    )


def _latest_blessed_model() -> BaseNode:
    return tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LatestBlessedModel")


def _training(config: PipelineConfig, checkpoints: str) -> str:
    """The JSON that ``components.trainer.options.TrainingOptions`` reads."""
    table: dict[str, Any] = {"task": config.pipeline.task, **dataclasses.asdict(config.trainer)}
    table["checkpoint_dir"] = checkpoints
    return json.dumps(table, sort_keys=True)


def _example_gen(config: PipelineConfig, places: Places) -> BaseComponent:
    data = config.data
    output = tfx.proto.Output(
        split_config=tfx.proto.SplitConfig(
            splits=[tfx.proto.SplitConfig.Split(name=name, hash_buckets=n) for name, n in data.split.items()],
            partition_feature_name=data.partition_feature or None,
        )
    )
    if data.format == "bigquery":
        return tfx.extensions.google_cloud_big_query.BigQueryExampleGen(query=data.query, output_config=output)
    base, pattern = base_and_pattern(data.path, data.format)
    if data.format == "tfrecord":
        # ImportExampleGen takes no custom_config, which is what brings the data's digest into the cache key.
        return FileBasedExampleGen(
            input_base=base,
            input_config=make_default_input_config(pattern),
            output_config=output,
            custom_config=custom_config(content_digest=places.data_digest),
            custom_executor_spec=BeamExecutorSpec(import_executor.Executor),
        ).with_id("ImportExampleGen")
    return ArrowExampleGen(
        input_base=base,
        input_config=make_default_input_config(pattern),
        output_config=output,
        schema_uri=places.columns,
        data_format=data.format,
        null_values=list(data.null_values) or None,
        require=data.require,
        content_digest=places.data_digest,
        code_digest=code_digest(),
        **(_window(config, places) if has_span(data.path) else {}),
    )


def _window(config: PipelineConfig, places: Places) -> dict[str, Any]:
    """The options of ArrowExampleGen for a path with spans."""
    return {
        "window": config.data.window,
        "spans": config.data.spans,
        "fingerprint": config.data.fingerprint,
        **_settings(config, places),
    }


def _settings(config: PipelineConfig, places: Places) -> dict[str, Any]:
    """Where a step keeps spans from run to run."""
    if places.settings:
        return {"settings_file": places.settings}
    return {"cache_dir": places.cache, "cache_max_bytes": config.cache.max_bytes}


def _merging(config: PipelineConfig, places: Places) -> dict[str, Any]:
    """How the statistics of shards and spans become one."""
    fanout = {} if places.settings else {"merge_fanout": config.beam.fanout}
    return {**_settings(config, places), **fanout}

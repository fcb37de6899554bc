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
from components.example_gen.component import ArrowExampleGen, base_and_pattern
from components.example_gen.custom_options import custom_config
from components.example_gen.span_pattern import has_span
from components.feature_plan import FeaturePlan
from components.parity.component import ParityCheck
from components.transform.component import NormalizingTransform
from pipeline.code_digest import code_digest, model_digest
from pipeline.config import PipelineConfig
from pipeline.evaluator_config import eval_config
from pipeline.inputs import stored_constants
from schemas.loader import load_schema

RUN_FN = "components.trainer.run_fn.run_fn"


def build_pipeline(config: PipelineConfig, root: Path, schema_uri: str, columns_uri: str, data_digest: str) -> Pipeline:
    """The whole pipeline, with ML Metadata in SQLite below ``root``.

    Args:
      config: what to build.
      root: folder of artifacts, metadata and pushed models.
      schema_uri: a copy of the schema at a path that changes with its content.
      columns_uri: the same for the part of the schema that ExampleGen reads, ``schemas.columns``.
      data_digest: changes with the data; part of ExampleGen's cache key.
    """
    plan = FeaturePlan.from_schema(load_schema(schema_uri))
    example_gen = _example_gen(config, root, columns_uri, data_digest)
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = tfx.components.ImportSchemaGen(schema_file=schema_uri)
    schema = schema_gen.outputs["schema"]
    validator = tfx.components.ExampleValidator(statistics=statistics, schema=schema)
    gate = AnomalyGate(anomalies=validator.outputs["anomalies"], code_digest=code_digest())
    pinned_uri, pinned_digest = stored_constants(config, plan, root)
    transform = NormalizingTransform(
        examples=examples,
        schema=schema,
        splits_config=tfx.proto.SplitsConfig(analyze=["train"]),
        constants_from=pinned_uri,
        constants_digest=pinned_digest,
        code_digest=code_digest(),
        cache_dir=cache_folder(config, root),
        cache_max_bytes=config.cache.max_bytes,
        merge_fanout=config.beam.fanout,
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
    latest = _latest_blessed_model()
    drift = DriftGate(
        constants=transform.outputs["constants"],
        baseline_model=None if config.drift.baseline else latest.outputs["model"],
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
            "training": _training(config, root),
            "code_digest": code_digest(),
            "model_digest": model_digest(config.trainer.model),
        },
    )
    trainer.add_upstream_node(audit)
    trainer.add_upstream_node(drift)
    model = trainer.outputs["model"]
    # Only a threshold on the change needs the model before: without one, a finished evaluation stays finished.
    compared = any(threshold.max_drop is not None for threshold in config.evaluation.thresholds)
    assert plan.label is not None
    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=model,
        baseline_model=latest.outputs["model"] if compared else None,
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
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(root / "serving"))
        ),
    )
    pusher.add_upstream_node(parity)
    return Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=str(root / "artifacts"),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            validator,
            gate,
            transform,
            audit,
            *([] if config.drift.baseline and not compared else [latest]),
            drift,
            trainer,
            parity,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.db")
        ),
        beam_pipeline_args=list(config.beam.args),
    )


def _latest_blessed_model() -> BaseNode:
    return tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LatestBlessedModel")


def _training(config: PipelineConfig, root: Path) -> str:
    """The JSON that ``components.trainer.options.TrainingOptions`` reads."""
    table: dict[str, Any] = {"task": config.pipeline.task, **dataclasses.asdict(config.trainer)}
    table["checkpoint_dir"] = config.trainer.checkpoint_dir or str(root / "checkpoints")
    return json.dumps(table, sort_keys=True)


def cache_folder(config: PipelineConfig, root: Path) -> str:
    """Where converted spans and their statistics are kept between runs."""
    return config.cache.dir or str(root / "cache")


def _example_gen(config: PipelineConfig, root: Path, columns_uri: str, data_digest: str) -> BaseComponent:
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
            custom_config=custom_config(content_digest=data_digest),
            custom_executor_spec=BeamExecutorSpec(import_executor.Executor),
        ).with_id("ImportExampleGen")
    return ArrowExampleGen(
        input_base=base,
        input_config=make_default_input_config(pattern),
        output_config=output,
        schema_uri=columns_uri,
        data_format=data.format,
        null_values=list(data.null_values) or None,
        require=data.require,
        content_digest=data_digest,
        code_digest=code_digest(),
        **(_window(config, root) if has_span(data.path) else {}),
    )


def _window(config: PipelineConfig, root: Path) -> dict[str, Any]:
    """The options of ArrowExampleGen for a path with spans."""
    return {
        "window": config.data.window,
        "spans": config.data.spans,
        "fingerprint": config.data.fingerprint,
        "cache_dir": cache_folder(config, root),
        "cache_max_bytes": config.cache.max_bytes,
    }

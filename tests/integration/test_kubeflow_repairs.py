"""Each defect of TFX's Kubeflow compiler, as TFX leaves it and as it is repaired."""

import json
from typing import Any

import pytest

from components.errors import ConfigError

pytestmark = pytest.mark.beam


def pipeline_of(*components: Any) -> Any:
    from tfx import v1 as tfx

    return tfx.dsl.Pipeline("p", pipeline_root="gs://bucket/root", components=list(components))


def by_tfx(pipeline: Any) -> dict[str, Any]:
    from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

    config = KubeflowV2DagRunnerConfig(default_image="im", use_pipeline_spec_2_1=True)
    spec: dict[str, Any] = KubeflowV2DagRunner(config).run(pipeline, write_out=False)["pipelineSpec"]
    return spec


def repaired(pipeline: Any, exit_handler: Any = None) -> dict[str, Any]:
    from pipeline.kubeflow.tfx_compiler import compiled

    spec: dict[str, Any] = compiled(pipeline, "im", exit_handler)["pipelineSpec"]
    return spec


def test_the_default_of_a_runtime_parameter() -> None:
    from tfx import v1 as tfx
    from tfx.orchestration.data_types import RuntimeParameter

    def made() -> Any:
        return pipeline_of(tfx.components.CsvExampleGen(input_base=RuntimeParameter("data-root", str, "gs://b/data")))

    def parameter(spec: dict[str, Any]) -> Any:
        return spec["root"]["inputDefinitions"]["parameters"]["data-root"]

    assert parameter(by_tfx(made())) == {"parameterType": "STRING"}
    assert parameter(repaired(made()))["defaultValue"] == "gs://b/data"


def counted() -> Any:
    from computed_property import Count, Use

    count = Count()
    return pipeline_of(count, Use(n=count.outputs["n"].future()[0].value))


def test_a_property_that_another_step_computes_names_that_step() -> None:
    def producer(spec: dict[str, Any]) -> str:
        source = spec["root"]["dag"]["tasks"]["Use"]["inputs"]["parameters"]["n"]
        return str(source["taskOutputParameter"]["producerTask"])

    as_it_was = by_tfx(counted())
    assert producer(as_it_was) not in as_it_was["root"]["dag"]["tasks"]
    assert producer(repaired(counted())) == "Count"


def test_a_property_that_another_step_computes_keeps_its_type() -> None:
    def kinds(spec: dict[str, Any]) -> tuple[str, str]:
        arguments = spec["deploymentSpec"]["executors"]["Use_executor"]["container"]["args"]
        told = json.loads(arguments[arguments.index("--json_serialized_inputs_spec_args") + 1])
        declared = spec["components"]["Use"]["inputDefinitions"]
        return declared["parameters"]["n"]["parameterType"], told["parameters"]["n"]["parameterType"]

    assert kinds(by_tfx(counted())) == ("STRING", "STRING")
    assert kinds(repaired(counted())) == ("NUMBER_INTEGER", "NUMBER_INTEGER")


def test_the_resources_of_a_file_based_example_gen() -> None:
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages
    from tfx import v1 as tfx

    resources = messages.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec(cpu_limit=4.0)

    def made() -> Any:
        example_gen = tfx.components.CsvExampleGen(input_base="gs://b/data")
        return pipeline_of(example_gen.with_platform_config(resources))

    def container(spec: dict[str, Any]) -> Any:
        return spec["deploymentSpec"]["executors"]["CsvExampleGen_executor"]["container"]

    assert "resources" not in container(by_tfx(made()))
    assert container(repaired(made()))["resources"] == {"cpuLimit": 4.0}


def test_a_rolling_range_is_refused_here_and_not_in_the_step() -> None:
    from tfx import v1 as tfx

    def made() -> Any:
        window = tfx.proto.RangeConfig(rolling_range=tfx.proto.RollingRange(num_spans=3))
        return pipeline_of(tfx.components.CsvExampleGen(input_base="gs://b/{SPAN}", range_config=window))

    assert "CsvExampleGen" in by_tfx(made())["root"]["dag"]["tasks"]
    with pytest.raises(ConfigError, match="CsvExampleGen: a rolling range of spans cannot run on Kubeflow"):
        repaired(made())


def test_a_task_that_waits_for_one_that_is_not_there_is_refused_here_and_not_by_the_backend() -> None:
    from computed_property import Count
    from tfx import v1 as tfx

    def made() -> Any:
        model = tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model)
        blessing = tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing)
        latest = tfx.dsl.Resolver(
            strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy, model=model, model_blessing=blessing
        ).with_id("Latest")
        count = Count()
        count.add_upstream_node(latest)  # TFX makes two tasks of the resolver, neither of its name
        return pipeline_of(latest, count)

    spec = by_tfx(made())
    (waits_for,) = spec["root"]["dag"]["tasks"]["Count"]["dependentTasks"]
    assert waits_for not in spec["root"]["dag"]["tasks"]
    with pytest.raises(ConfigError, match="Count waits for Latest, which TFX did not compile"):
        repaired(made())

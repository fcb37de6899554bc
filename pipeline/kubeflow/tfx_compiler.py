"""Any TFX pipeline -> a PipelineJob that the backends can run."""

from typing import Any

from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

from pipeline.kubeflow.job import ENTRYPOINT
from pipeline.kubeflow.repairs import repaired


def compiled(pipeline: Any, image: str, exit_handler: Any = None) -> dict[str, Any]:
    """The PipelineJob of a TFX pipeline, spec 2.1, repaired; its steps run our entry point.

    Args:
      pipeline: a ``tfx.dsl.Pipeline`` whose user code is named by path, so that nothing is packaged.
      image: of every step.
      exit_handler: a component that runs at the end, however the others ended.

    Raises:
      ConfigError: the pipeline has something that cannot be compiled.
    """
    runner = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(default_image=image, default_commands=list(ENTRYPOINT), use_pipeline_spec_2_1=True)
    )
    if exit_handler is not None:
        runner.set_exit_handler(exit_handler)
    return repaired(runner.run(pipeline, write_out=False), pipeline)

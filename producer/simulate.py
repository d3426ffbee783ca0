"""What a simulated deploy is asked to do: the contract between who enqueues it and the worker."""

from typing import Literal, TypeAlias

RUN_DEPLOY = "worker.job.run_deploy"

ScenarioName: TypeAlias = Literal["succeeds", "fails"]

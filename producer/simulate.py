"""What a simulated deploy is asked to do: the contract between who enqueues it and the worker."""

from typing import Literal, TypeAlias

RUN_DEPLOY = "worker.job.run_deploy"

ScenarioName: TypeAlias = Literal[
    "static",
    "node",
    "nextjs",
    "python",
    "container",
    "go",
    "rust",
    "terraform",
    "kubernetes",
    "migration",
    "monorepo",
    "canary",
    "torture",
]
FaultKind: TypeAlias = Literal[
    "error",
    "compile-error",
    "test-failure",
    "out-of-memory",
    "disk-full",
    "registry-timeout",
    "registry-retry",
    "health-check",
    "flaky",
    "hang",
    "timeout",
    "crash",
    "cancel",
]

MAX_DEFINITION_CHARACTERS = 256 * 1024
MAX_RECORDING_CHARACTERS = 8 * 1024 * 1024

# So that a request can be refused at once for a step that there is not.
STEPS: dict[ScenarioName, tuple[str, ...]] = {
    "static": ("download", "extract", "validate", "upload", "release", "smoke-test"),
}

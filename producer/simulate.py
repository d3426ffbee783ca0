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

MIN_SPEED, MAX_SPEED = 0.001, 1_000_000  # and 0, which waits for nothing
MAX_SEED = 2**63 - 1
MAX_DEFINITION_CHARACTERS = 256 * 1024
MAX_RECORDING_CHARACTERS = 8 * 1024 * 1024

# So that a request can be refused at once for a step that there is not.
STEPS: dict[ScenarioName, tuple[str, ...]] = {
    "static": ("download", "extract", "validate", "upload", "release", "smoke-test"),
    "node": ("clone", "install", "typecheck", "test", "build", "upload", "release", "smoke-test"),
    "nextjs": ("clone", "install", "lint", "build", "upload", "release", "smoke-test"),
    "python": ("clone", "install", "lint", "types", "test", "image", "push", "migrate", "release", "smoke-test"),
    "container": ("prepare", "base", "dependencies", "compile", "test", "image", "scan", "push", "release"),
    "go": ("clone", "vet", "test", "build", "package", "upload", "rollout", "smoke-test"),
    "rust": ("fetch", "compile-tests", "test", "build", "upload", "release"),
    "terraform": ("init", "validate", "workspace", "drift", "plan", "apply", "smoke-test"),
    "kubernetes": ("connect", "apply", "rollout", "wait", "switch", "smoke-test"),
    "migration": ("preflight", "pending", "validate", "backup", "migrate", "backfill", "index", "constrain", "verify"),
    "monorepo": ("clone", "install", "plan", "build", "upload", "release", "smoke-test"),
    "canary": ("verify-image", "baseline", "canary", "analysis", "abort", "rollback", "verify"),
    "torture": (
        "unicode",
        "bidi",
        "combining",
        "emoji",
        "escapes",
        "progress",
        "whitespace",
        "long-lines",
        "invalid-utf-8",
        "look-alikes",
        "secrets",
        "streams",
        "timing",
    ),
}

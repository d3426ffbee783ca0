"""A real build of a real package as a deploy: what a watcher saw is what is stored, and the wheel is there."""

import ctypes
import json
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from producer.keys import Keys
from producer.library import read_log as read_stored
from tests.e2e.clients import httpx2_client, need
from tests.faults import FaultProxy, Faults
from tests.helpers import Service, wait_until
from tests.scripts.command_line import new_keys, running, stored_lines

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "greeting"
version = "1.2.3"

[tool.hatch.build.targets.wheel.hooks.custom]
path = "compile.py"
""",
    "compile.py": """
import subprocess
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        command = ["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-O2"]
        command += ["-o", "greeting/native.so", "greeting/native.c"]
        print(*command, flush=True)
        subprocess.run(command, cwd=self.root, check=True)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append("greeting/native.so")
""",
    "greeting/__init__.py": "",
    "greeting/native.c": "int answer(int unused) { return 42; }\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The sources of a small package with a library in C."""
    need("gcc")
    for name, text in FILES.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "package"


def build(package: Path, environment: dict[str, str], api: Service) -> tuple[Keys, int, list[str]]:
    """Build the package as a deploy, watched through a proxy that cuts once; its id, exit status, and lines seen."""
    keys = new_keys()
    # Not by pip, which an environment that uv made does not have.
    hatchling = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "out"]
    command = ["sh", "-c", 'cd "$0" && exec "$@"', str(package), *hatchling]
    with (
        FaultProxy(api.url, Faults(cut_after=1_000)) as proxy,
        httpx2_client() as watch,
        ThreadPoolExecutor() as pool,
        running(environment | {"LC_ALL": "C.UTF-8"}, "run", keys.app, "--id", keys.deploy, "--", *command) as process,
    ):
        assert process.stderr is not None
        assert keys.deploy in process.stderr.readline().decode()
        watching = pool.submit(watch, f"{proxy.url}/v1/apps/{keys.app}/deploys/{keys.deploy}/logs/stream")
        wait_until(lambda: proxy.cuts)
        proxy.faults.cut_after = None
        process.communicate(timeout=50)
        seen = watching.result(10)
    assert [event[1] for event in seen] == [str(number) for number in range(1, len(seen) + 1)]
    return keys, process.returncode, [json.loads(data)["line"] for kind, _, data in seen if kind == "message"]


def test_a_real_package_is_built_in_the_open(
    package: Path, environment: dict[str, str], api: Service, valkey: str
) -> None:
    """hatchling and gcc run as a deploy; a client that is cut off meanwhile has every line of theirs."""
    keys, status, seen = build(package, environment, api)
    lines = stored_lines(keys, valkey)
    assert seen == lines
    assert (status, lines[-1]) == (0, "Deploy complete!")
    assert [line for line in lines if "unused parameter" in line]
    (wheel,) = (package / "out").glob("greeting-1.2.3-*.whl")
    with zipfile.ZipFile(wheel) as built:
        library = built.extract("greeting/native.so", package / "unpacked")
    assert ctypes.CDLL(library).answer(0) == 42


def test_a_real_package_that_does_not_compile_fails(
    package: Path, environment: dict[str, str], api: Service, valkey: str
) -> None:
    """The compiler's error is in the log, and the status of the build is the deploy's reason."""
    source = package / "greeting" / "native.c"
    source.write_text(source.read_text().replace("42", "fortytwo"))
    keys, status, seen = build(package, environment, api)
    lines = stored_lines(keys, valkey)
    assert seen == lines
    assert (status, lines[-1]) == (1, "Deploy failed: exited with status 1")
    assert read_stored(keys.app, keys.deploy, url=valkey).state.status == "failed"
    assert [line for line in lines if "fortytwo" in line and "undeclared" in line]
    assert not list((package / "out").glob("*.whl"))

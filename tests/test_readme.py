"""The README's examples run as they stand."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from producer.library import read_log
from producer.status import Status
from scripts.embedded import valkey
from scripts.scenarios import check
from tests.helpers import ROOT


def test_the_python_examples_write_whole_deploys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library example completes a deploy, and the job example, run by a real RQ worker, another one."""
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / "README.md")
    # A Valkey of its own: the examples use the usual names, and a worker of another test would take their job.
    with valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
        monkeypatch.setenv("DEPLOYTAIL_REDIS_URL", url)
        document.namespace["redis"] = client
        blocks = list(document.examples())
        for block in blocks:
            block.evaluate()
        jobs = ModuleType("jobs")
        jobs.__dict__["release"] = document.namespace["release"]
        monkeypatch.setitem(sys.modules, "jobs", jobs)
        SimpleWorker(["deploys"], connection=client, serializer=JSONSerializer).work(burst=True)
        snapshots = [read_log("shop", deploy.decode()) for deploy in client.zrange("app:shop:deploys", 0, -1)]
    assert [(s.state.status, s.state.proof.lines) for s in snapshots] == [(Status.COMPLETE, 2)] * len(blocks)
    assert len(blocks) == 2


def test_the_scenario_in_the_guide_is_one(tmp_path: Path) -> None:
    """It is in order as it stands, plays under any seed, and fails in its own words."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    file = tmp_path / "mine.yaml"
    file.write_text(text, "utf-8")
    scenario, likely = check(file)
    assert (scenario.scenario, [step.step for step in scenario.steps]) == ("mine", ["pack", "upload"])
    assert likely.lines[0] < likely.lines[1]

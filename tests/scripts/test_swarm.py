"""`deploytail swarm` on a real service, on one that lies, and on none; the parts of it are in test_swarming."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from producer.connect import connect
from producer.deploys import list_deploys
from producer.state import State
from producer.status import Status
from producer.store import Store
from scripts.embedded import valkey
from scripts.swarming.plan import END
from scripts.swarming.swarm import swarm as run_swarm
from tests.faults import FaultProxy, Faults, alive, descendants
from tests.helpers import Service, start_api, wait_until
from tests.helpers import started as started_process
from tests.scripts.command_line import Ended, finish

OPTIONS: dict[str, Any] = {
    "rate": 4.0,
    "deploys": 6,
    "seconds": None,
    "mix": "static",
    "faults": 0.0,
    "lines_rate": None,
    "speed": 20.0,
    "watchers": 2.5,
    "apps": 1,
    "seed": 1,
    "direct": False,
    "as_json": True,
    "api": None,
    "redis": None,
}


@contextmanager
def swarming(environment: dict[str, str], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A swarm, just started."""
    given = OPTIONS | options
    code = "import json, sys; from scripts.swarming.swarm import swarm; sys.exit(swarm(**json.loads(sys.argv[1])))"
    command = [sys.executable, "-c", code, json.dumps(given)]
    with started_process(command, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            assert process.stderr
            process.stderr.close()


def swarm(environment: dict[str, str], **options: Any) -> Ended:
    """A swarm, to its end."""
    with swarming(environment, **options) as process:
        return finish(process, 50)


def states(url: str, app: str) -> list[State]:
    """The states of all deploys of an app."""
    with connect(url) as client:
        return [state for _, state in Store(client).run(list_deploys(app, 500, 0.0))]


@pytest.fixture
def clean(client: redis.Redis) -> Iterator[None]:
    """A Redis without deploys of an earlier swarm."""
    client.delete("app:swarm-1:deploys")
    yield
    client.delete("app:swarm-1:deploys")


@pytest.mark.usefixtures("worker", "clean")
@pytest.mark.parametrize("how", ["by workers", "by workers, without Redis", "directly"])
def test_the_figures_add_up(environment: dict[str, str], api: Service, valkey: str, how: str) -> None:
    """All deploys end, the lines are those of the proofs that are stored, and each watcher gets each of them."""
    address = None if "without" in how else valkey
    ended = swarm(environment, api=api.url, redis=address, direct=how == "directly")
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    kept = states(valkey, "swarm-1")
    assert [state.status for state in kept] == [Status.COMPLETE] * OPTIONS["deploys"]
    deploys, watchers, lines = found["deploys"], found["watchers"], found["lines"]
    assert (deploys["asked"], deploys["complete"]) == (6, 6)
    assert watchers["through"] == watchers["verified"] == sum(watchers["joined"].values()) > 12
    assert lines["written"] == sum(state.proof.lines for state in kept) > 100
    assert lines["delivered"] == lines["due"] > lines["written"]
    assert (lines["missing"], found["gaps"], found["errors"]) == (0, {}, {})
    assert 0 < found["delay"]["p50"] <= found["delay"]["max"]
    assert found["delay"]["count"] <= lines["delivered"]
    assert "The promise was kept: all 6 deploys ended" in ended.err


@pytest.mark.usefixtures("worker", "clean")
def test_gaps_are_counted_and_are_no_broken_promise(environment: dict[str, str], valkey: str) -> None:
    """Where the cap drops lines before a watcher comes, what was delivered is what was due but for those."""
    with start_api(valkey, "--cap-events", "10") as api:
        ended = swarm(environment, api=api.url, redis=valkey, speed=0.0, deploys=12, watchers=1.0)
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    lines, gaps = found["lines"], found["gaps"]
    assert lines["delivered"] == lines["due"] - lines["missing"]
    assert lines["missing"] > 10
    assert gaps["trimmed"] >= found["watchers"]["joined"][END] > 0


@pytest.mark.usefixtures("worker", "clean")
def test_faults_strike_and_every_deploy_ends(environment: dict[str, str], valkey: str) -> None:
    """With faults some deploys fail, one with its writer, and the promise holds all the same."""
    options = {"direct": True, "faults": 1.0, "seconds": 3.0, "rate": 6.0, "deploys": 14}
    with start_api(valkey, "--lease", "1.5") as api:
        ended = swarm(environment, api=api.url, redis=valkey, **options)
    assert ended.status == 0, ended.err
    deploys = json.loads(ended.out)["deploys"]
    counts = [deploys["complete"], deploys["failed"], deploys["cancelled"]]
    assert sum(counts) == deploys["asked"] == len(states(valkey, "swarm-1"))
    assert min(counts) > 0
    assert deploys["endings"]["failed: worker_lost"] > 0


@pytest.mark.usefixtures("worker", "clean")
def test_watchers_whose_connections_break_come_back(environment: dict[str, str], api: Service, valkey: str) -> None:
    """Every connection is cut after some bytes: each watcher goes on where it was, and nothing is lost or doubled."""
    with FaultProxy(api.url, Faults(cut_after=3_000)) as proxy:
        ended = swarm(environment, api=proxy.url, redis=valkey, deploys=3)
    assert ended.status == 0, ended.err
    watchers = json.loads(ended.out)["watchers"]
    assert watchers["reconnects"] >= watchers["through"] == watchers["verified"] > 0


class Liar(BaseHTTPRequestHandler):
    """Passes requests on to `upstream`, and leaves event 5 out of every stream."""

    protocol_version = "HTTP/1.1"
    upstream = ""

    def do_GET(self) -> None:
        """A stream, as it is but for event 5; anything else as it is."""
        if not self.path.endswith("/stream"):
            self._pass_on(httpx2.get(self.upstream + self.path))
            return
        with httpx2.stream("GET", self.upstream + self.path, timeout=30) as answer:
            self.send_response(answer.status_code)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            text = b""
            for data in answer.iter_bytes():
                *events, text = (text + data).split(b"\n\n")
                for event in events:
                    if b"id: 5\n" not in event:
                        self.wfile.write(b"%x\r\n%s\n\n\r\n" % (len(event) + 2, event))
            self.wfile.write(b"0\r\n\r\n")

    def do_POST(self) -> None:
        """As it is."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._pass_on(
            httpx2.post(self.upstream + self.path, content=body, headers={"Content-Type": "application/json"})
        )

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass_on(self, answer: httpx2.Response) -> None:
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)


@contextmanager
def serving(handler: type[Liar]) -> Iterator[str]:
    """The address of a service that is not to be trusted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("worker", "clean")
def test_a_service_that_loses_a_line_is_found_out(environment: dict[str, str], api: Service, valkey: str) -> None:
    """Status 1, and deploy, watcher and what it saw are named."""
    with serving(type("LiarTo", (Liar,), {"upstream": api.url})) as url:
        ended = swarm(environment, api=url, redis=valkey, deploys=2, watchers=1.0, as_json=False)
    assert ended.status == 1, ended.err
    told = ended.out.partition("THE PROMISE IS BROKEN, 2 times:\n")[2]
    assert re.search(
        r"- watcher \d \([a-z ]+\) of swarm-1/d\w+-1 \(scenario static, seed \d+\): events 5 to 5 are missing "
        r"without a word \(came: [a-z0-9, ]*4, message 6",
        told,
    ), ended.out


@pytest.mark.usefixtures("worker", "clean")
def test_ctrl_c_sums_up_and_ends_what_was_begun(environment: dict[str, str], api: Service, valkey: str) -> None:
    """No more deploys come, those that run or wait are cancelled, and the summary tells of what there was."""
    options = {"deploys": None, "seconds": 600.0, "speed": 1.0, "as_json": False}
    with swarming(environment, api=api.url, redis=valkey, **options) as process:
        wait_until(lambda: [state for state in states(valkey, "swarm-1") if state.status is Status.BUILDING])
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        ended = finish(process, 15)
    assert (ended.status, "Traceback" in ended.err) == (130, False)
    assert re.search(r"^deploys +[1-9]", ended.out, re.MULTILINE)
    assert "Interrupted; until then" in ended.out
    assert not alive(started)
    wait_until(lambda: all(state.status is Status.CANCELLED for state in states(valkey, "swarm-1")))


def test_without_a_service_it_runs_one_of_its_own(environment: dict[str, str]) -> None:
    """It says so; nothing of it is left, whether it comes to its end or is interrupted while it writes logs itself."""
    own = {name: value for name, value in environment.items() if name != "DEPLOYTAIL_REDIS_URL"}
    ended = swarm(own, deploys=2)
    assert (ended.status, json.loads(ended.out)["deploys"]["complete"]) == (0, 2)
    assert "no deploytail is running: the swarm starts one of its own" in ended.err
    with swarming(own, direct=True, deploys=None, seconds=600.0, speed=1.0) as process:
        wait_until(lambda: len(descendants(process.pid)) > 5)
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert (finish(process, 30).status, alive(started)) == (130, set())


def test_a_service_whose_logs_lie_in_another_redis_is_not_fed(
    environment: dict[str, str], api: Service, tmp_path: Path
) -> None:
    """Else every deploy would be unknown to it."""
    with valkey(tmp_path) as another:
        ended = swarm(environment, api=api.url, redis=another, direct=True)
    assert (ended.status, ended.out) == (2, "")
    assert f"the deploytail at {api.url} keeps its logs in another: give that one" in ended.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rate": 0.0}, "--rate 0: give a number above 0"),
        ({"rate": -1.0}, "--rate -1: give a number above 0"),
        ({"deploys": 0}, "--deploys 0: give a number above 0"),
        ({"seconds": -3.0}, "--seconds -3: give a number above 0"),
        ({"faults": 1.5}, "--faults 1.5: give a number from 0 to 1"),
        ({"watchers": -1.0}, "--watchers -1: give a number of 0 or more"),
        ({"lines_rate": 0.0}, "--lines-rate 0: give a number above 0"),
        ({"speed": -2.0}, "--speed -2: give a number from 0 to"),
        ({"apps": 0}, "--apps 0: give a number from 1 to 1000"),
        ({"seed": -1}, "--seed -1: give a number from 0 to"),
        ({"mix": "nope"}, "--mix: there is no scenario 'nope': there are static,"),
        ({"api": "localhost"}, "--api localhost: that is not the address of an API: write http://host:port"),
        ({"api": "http://127.0.0.1:1", "direct": True}, "--direct writes to Redis itself: give --redis URL"),
    ],
)
def test_wrong_usage_is_told_at_once(
    options: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and a sentence that says which option is wrong and what to write; nothing is started."""
    monkeypatch.setenv("DEPLOYTAIL_HOME", "/nonexistent/deploytail")
    assert run_swarm(**OPTIONS | options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"deploytail: {complaint}")


def test_a_swarm_of_which_no_deploy_is_taken_says_why(environment: dict[str, str], valkey: str) -> None:
    """Status 69: nothing can be said of the promise."""

    class Refusing(Liar):
        def do_GET(self) -> None:
            self._pass_on(httpx2.Response(200, content=b"{}"))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._pass_on(httpx2.Response(503, content=b"{}"))

    with serving(Refusing) as url:
        ended = swarm(environment, api=url, redis=valkey, deploys=2)
    assert ended.status == 69
    assert ended.err.endswith("no deploy was taken: asking for a deploy was answered with HTTP 503\n")


def test_no_service_at_the_address_is_told(environment: dict[str, str], api: Service) -> None:
    """Status 69, with the address, whether the service or Redis is away."""
    ended = swarm(environment, api="http://127.0.0.1:1")
    assert (ended.status, "no deploytail service answers at http://127.0.0.1:1" in ended.err) == (69, True)
    ended = swarm(environment, api=api.url, redis="redis://127.0.0.1:1/0")
    assert (ended.status, "no Redis answers at redis://127.0.0.1:1/0" in ended.err) == (69, True)

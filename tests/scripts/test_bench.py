"""The benchmark runs against every peer, and its load client sees what does not arrive as it should."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from producer import create_deploy
from producer.keys import LIVE, Keys
from scripts.bench import lines, picture, suite, table
from scripts.bench.errors import CannotMeasure, CannotStart
from scripts.bench.load import Seen, build, watching
from scripts.bench.peers import registry
from scripts.bench.peers.deploytail import Deploytail
from scripts.bench.peers.nginx import NchanRedis
from scripts.bench.results import OURS, Results
from scripts.bench.rig import rig
from tests.e2e.clients import need, unavailable
from tests.faults import alive, descendants
from tests.helpers import ROOT, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark needs epoll and /proc")

RUN = str(ROOT / "scripts/bench/run")
FRAMES = [b"id: %d\ndata: %s\n\n" % (n + 2, lines.event(n, lines.text(n), 1.0)) for n in range(1, 6)]
DONE = b"event: done\nid: 8\ndata: {}\n\n"
STATUS = b'retry: 1000\nevent: status\nid: 1\ndata: {"seq":1,"ts":1.000,"status":"queued"}\n\n'


@pytest.fixture(scope="module")
def binary() -> Path:
    """The load client."""
    need("cc")
    return build()


def ready(name: str) -> None:
    """Skip the test of a peer that is not there; in CI, where all are, fail it."""
    if reason := registry.missing(name):
        unavailable(reason)


@contextmanager
def serving(head: bytes, pieces: list[bytes]) -> Iterator[int]:
    """A server that answers everyone with this, piece by piece, and closes; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.recv(4096)
                for piece in (head, *pieces):
                    connection.sendall(piece)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def chunked(body: bytes, size: int) -> list[bytes]:
    """The body in chunks of this size."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]


def watch(binary: Path, body: bytes, chunk: int = 50) -> Seen:
    """What one connection saw of this body, of which five lines were expected."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(head, chunked(body, chunk)) as port, watching(binary, port, ["/"], 1, lines=5) as client:
        return client.result()


def run(*arguments: str) -> "subprocess.Popen[str]":
    """`scripts/bench/run`, just started."""
    return subprocess.Popen([RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", [*registry.PEERS])
def test_a_quick_run_delivers_all_from_every_peer(name: str, tmp_path: Path) -> None:
    """No line is lost or doubled and every stream ends, or the run would fail; there is a figure for each row."""
    need("cc")
    ready(name)
    written = tmp_path / "results.json"
    cases = ("burst", "catchup-1")
    with run("--quick", "--case", *cases, "--peer", name, "--json", str(written)) as process:
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert registry.TITLES[name] in out
    found = json.loads(written.read_text())["cases"]
    for case in suite.CASES:
        if case.name in cases and name in case.peers:
            figures = found[case.name]["peers"][name]["median"]
            assert set(figures) == {row.key for row in case.rows}
            assert all(value > 0 for value in figures.values())


def test_the_other_cases_run(tmp_path: Path) -> None:
    """The writer, the bare pipeline, the start of a deploy; as Markdown and as a picture, too."""
    need("cc")
    written, drawn = tmp_path / "table.md", tmp_path / "picture.svg"
    arguments = ("--case", "paced-100", "idle", "writer", "start", "--peer", OURS, registry.BARE)
    with run("--quick", *arguments, "--markdown", str(written), "--picture", str(drawn)) as process:
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert "| one writer | lines/s |" in written.read_text()
    assert ET.parse(drawn).getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_scaling_runs() -> None:
    """Each series is a table with a row for each size."""
    need("cc")
    with run("--quick", "--scaling", "lines", "product") as process:
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert all((series.title in out) == (series.name in ("lines", "product")) for series in suite.SCALING)


def test_an_interrupted_run_leaves_nothing() -> None:
    """On Ctrl-C everything that the benchmark has started ends, and the exit status is 130."""
    need("cc")
    with run("--case", "paced-1", "--peer", OURS, "--seconds", "50") as process:
        assert process.stderr is not None
        assert "round 1" in process.stderr.readline()
        wait_until(lambda: len(descendants(process.pid)) >= 3)  # Valkey, the service, the load client
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert (process.returncode, alive(started)) == (130, set())


def test_nchan_keeps_its_messages_in_redis(valkey: str, client: redis.Redis) -> None:
    """Else its figures would be those of Nchan in memory."""
    need("cc")
    ready(NchanRedis.name)
    with rig(valkey) as parts, NchanRedis(parts) as peer:
        deploy = peer.filled(3)
        assert list(client.scan_iter(f"*{deploy}*"))


def test_a_foreign_redis_is_left_as_it_was(valkey: str, client: redis.Redis, keys: Keys) -> None:
    """Other deploys on it stay, and those of the benchmark go."""
    need("cc")
    create_deploy(keys.app, keys.deploy, url=valkey)
    with rig(valkey) as parts:
        deploy = Deploytail(parts).create()
        assert list(client.scan_iter(f"*{deploy}*"))
    assert not list(client.scan_iter("*bench*"))
    assert client.zscore(LIVE, f"bench/{deploy}") is None
    assert client.exists(keys.state)
    assert client.zscore(LIVE, keys.member)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100, 10_000])
def test_a_whole_stream_is_whole_however_it_is_cut(binary: Path, chunk: int) -> None:
    """All lines count, in order, and nothing else does."""
    seen = watch(binary, STATUS + b": a comment\n" + b"".join(FRAMES) + DONE, chunk)
    assert (seen.frames, seen.lost, seen.doubled, seen.unfinished, seen.errors) == (5, 0, 0, 0, 0)
    seen.check(5)


@pytest.mark.parametrize("length", [b"Content-Length: %d\r\n", b""], ids=["with a length", "until it closes"])
def test_a_body_that_is_not_chunked_is_read(binary: Path, length: bytes) -> None:
    """As nginx sends a file, and as old servers send everything."""
    body = b"".join(FRAMES) + DONE
    head = b"HTTP/1.1 200 OK\r\n%s\r\n" % (length % len(body) if length else b"")
    with serving(head, [body]) as port, watching(binary, port, ["/"], 1, lines=5) as client:
        client.result().check(5)


@pytest.mark.parametrize(
    ("order", "lost", "doubled"),
    [((1, 2, 4, 5), 1, 0), ((1, 2, 3, 4), 1, 0), ((1, 2, 2, 3, 4, 5), 0, 1), ((1, 3, 2, 4, 5), 1, 1)],
    ids=["lost", "the last lost", "doubled", "swapped"],
)
def test_the_load_client_sees_what_is_wrong(binary: Path, order: tuple[int, ...], lost: int, doubled: int) -> None:
    """A line that is missing, that comes twice or too late."""
    seen = watch(binary, b"".join(FRAMES[n - 1] for n in order) + DONE)
    assert (seen.lost, seen.doubled) == (lost, doubled)
    with pytest.raises(CannotMeasure):
        seen.check(5)


def test_a_gap_is_told_apart_from_a_loss(binary: Path) -> None:
    """It is no loss, but no figure either, where all lines should have come."""
    gap = b'event: gap\nid: 5\ndata: {"from":4,"to":5,"reason":"trimmed"}\n\n'
    seen = watch(binary, FRAMES[0] + gap + FRAMES[3] + FRAMES[4] + DONE)
    assert (seen.frames, seen.told, seen.lost, seen.doubled) == (3, 2, 0, 0)
    with pytest.raises(CannotMeasure, match="2 told of as a gap"):
        seen.check(3)


def test_a_stream_that_is_cut_or_refused_is_no_figure(binary: Path) -> None:
    """No `done`, or no 200."""
    cut = watch(binary, b"".join(FRAMES))
    assert (cut.frames, cut.unfinished) == (5, 1)
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    with serving(head, []) as port, watching(binary, port, ["/"], 1) as client:
        refused = client.result()
    assert (refused.errors, refused.error) == (1, "HTTP status 503")
    for seen in (cut, refused):
        with pytest.raises(CannotMeasure):
            seen.check(seen.frames)


def test_every_event_has_the_same_size() -> None:
    """Whatever its number and its time of writing."""
    for n in (1, 7, 8, 97, 98, 997, 9_998, 123_456, 1_000_000):
        for written in (0, 1_711_741_200_123_456):
            assert len(lines.event(n, lines.text(n, written), 1_711_741_200.5)) == lines.EVENT_BYTES


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In one sentence."""
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(CannotStart, match="install a C compiler"):
        build()


def test_ratios_say_how_much_better_deploytail_is() -> None:
    """Less is better, or more; a peer that failed has no figure, and is named with the reason."""
    paced, burst = (next(case for case in suite.CASES if case.name == name) for name in ("paced-1", "burst"))
    results = Results([paced, burst], [OURS, "nchan-redis", "starlette"], {"cores": "2"}, 1e7, {"file": "no nginx"})
    for ours, theirs in ((1.0, 2.0), (3.0, 9.0), (2.0, 5.0)):
        results.add(paced, OURS, {"p50_ms": ours})
        results.add(paced, "nchan-redis", {"p50_ms": theirs})
    results.add(burst, OURS, {"frames_s": 3e6})
    results.add(burst, "nchan-redis", {"frames_s": 1e6})
    results.failed(burst, "starlette", "3 lost")
    assert results.ratio(paced, paced.rows[0], "nchan-redis") == 2.5
    assert results.ratio(burst, burst.rows[0], "nchan-redis") == 3.0
    assert results.median(burst, burst.rows[0], "starlette") is None
    text = table.markdown(results, table.beside(results))
    assert "| 3.0 M | 1.0 M | error |" in text
    assert "ERROR in burst, sse-starlette: 3 lost" in text
    assert "nginx, a file is left out: no nginx." in text
    assert "3.0 M" in picture.svg(results)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0"), (0.0123, "0.012"), (0.3, "0.30"), (4.56, "4.56"), (12.34, "12.3"), (7, "7"), (1234.5, "1,234")),
        *((12_345.6, "12 k"), (999_600, "1.0 M"), (14_230_000, "14.2 M")),
    ],
)
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    """To two or three digits."""
    assert table.number(value) == text

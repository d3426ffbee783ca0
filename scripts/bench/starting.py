"""The start case: from enqueue to the first line at a watcher who is there already, with the default worker."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from rq import Queue
from rq.serializers import JSONSerializer

from producer import create_deploy, new_id
from producer.connect import connect
from producer.simulate import RUN_DEPLOY
from scripts.bench import processes
from scripts.bench.case import Case, Figures, Row, Sizes
from scripts.bench.errors import CannotMeasure
from scripts.bench.peers import registry
from scripts.bench.peers.peer import Peer
from scripts.bench.results import OURS
from scripts.bench.rig import APP, Rig
from scripts.process import stop

_ROWS = (Row("ms", "to the first line", "ms"),)
_QUEUE = "deploys"
_SECONDS = 20.0


def cases() -> list[Case]:
    """The one."""
    return [Case("start", "from enqueue to the first line", _ROWS, (OURS,), _start)]


def _start(rig: Rig, name: str, sizes: Sizes) -> Figures:
    with registry.peer(name, rig) as peer, _worker(rig):
        times = [_once(peer) for _ in range(1 + sizes.of(20, 2))]
    # The first one had to wait for the worker to be up.
    return {"ms": median(times[1:]) * 1000}


def _once(peer: Peer) -> float:
    """Seconds from the call that enqueues the job to its first line at a watcher."""
    url = peer.rig.redis_url
    deploy = create_deploy(APP, url=url, job=(job := new_id()))
    with (
        connect(url) as client,
        socket.create_connection(("127.0.0.1", peer.port), timeout=_SECONDS) as watcher,
    ):
        queue = Queue(_QUEUE, connection=client, serializer=JSONSerializer)
        watcher.sendall(f"GET {peer.path(deploy)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        _await(watcher, b'"queued"')
        began = time.perf_counter()
        queue.enqueue_call(
            RUN_DEPLOY,
            kwargs={"app_id": APP, "deploy_id": deploy, "speed": 0},  # no pauses between its lines
            job_id=job,
            result_ttl=0,
        )
        _await(watcher, b'"line":')
        return time.perf_counter() - began


def _await(watcher: socket.socket, what: bytes) -> None:
    seen = b""
    while what not in seen:
        data = watcher.recv(64 * 1024)
        if not data:
            raise CannotMeasure(f"the stream ended before {what.decode()}")
        seen += data


@contextmanager
def _worker(rig: Rig) -> Iterator[None]:
    """The worker, as a user would start it."""
    log = rig.folder / "worker.log"
    environment = processes.clean_environment() | {
        "DEPLOYTAIL_REDIS_URL": rig.redis_url,
        "DEPLOYTAIL_LOG_LEVEL": "warning",
    }
    process = processes.start([sys.executable, "-m", "worker"], environment, log)
    try:
        yield
    finally:
        stop(process, processes.STOP_SECONDS)

"""Everything that a deploytail needs, as processes of this one: Valkey, worker and API."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx2

from producer.connect import shown
from producer.home import Running, find_running, forget_running, home, note_running, owned_home
from scripts.embedded import valkey
from scripts.process import stop
from worker.lifetime import die_with_parent

_START_SECONDS = 20.0
_STOP_SECONDS = 15.0


class StackError(Exception):
    """A part does not start, or has stopped. `already`: because another one runs."""

    def __init__(self, message: str, *, already: bool = False) -> None:
        self.already = already
        super().__init__(message)


@dataclass
class Stack:
    """The running parts and their addresses."""

    redis_url: str
    api_url: str
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def dead(self) -> str | None:
        """The name of a part that has stopped, or None."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                return name
        return None


@contextmanager
def stack(
    *,
    redis_url: str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    workers: int = 2,
    verbose: bool = False,
    say: Callable[[str], None],
) -> Iterator[Stack]:
    """Run the parts, Valkey only where no `redis_url` is given. They stop in an order in which nothing is lost.

    `port` None takes the usual one where that is free. Raises StackError, EmbeddedError.
    """
    with ExitStack() as parts:
        if not parts.enter_context(owned_home()):
            raise StackError(_who_runs(), already=True)
        if redis_url is None:
            redis_url = parts.enter_context(valkey(home() / "valkey"))
            say(f"Valkey   {redis_url}   (data in {home() / 'valkey'})")
        else:
            say(f"Redis    {shown(redis_url)}")
        environment = os.environ | {
            "DEPLOYTAIL_REDIS_URL": redis_url,
            "DEPLOYTAIL_LOG_LEVEL": "info" if verbose else os.environ.get("DEPLOYTAIL_LOG_LEVEL", "warning"),
        }
        environment.setdefault("DEPLOYTAIL_STOP_TIMEOUT", "3")
        api = _start_api(environment, host, port)
        parts.callback(stop, api, _STOP_SECONDS)
        api_url = _announced(api)
        say(f"API      {api_url}   (documentation at {api_url}/docs)")
        worker = _start([sys.executable, "-m", "worker", "--workers", str(workers)], environment)
        parts.callback(stop, worker, _STOP_SECONDS)
        say(f"Workers  {workers}")
        note_running(Running(os.getpid(), redis_url, api_url))
        parts.callback(forget_running)
        running_stack = Stack(redis_url, api_url, {"API": api, "worker": worker})
        _await_ready(running_stack)
        yield running_stack


def _who_runs() -> str:
    running = find_running()
    who = "it is just starting" if running is None else f"process {running.pid}, {running.api_url}"
    return f"deploytail is up already ({who})"


def _start(command: list[str], environment: dict[str, str], stdout: int | None = None) -> "subprocess.Popen[bytes]":
    # In a session of its own: on Ctrl-C this process stops the parts, one after the other.
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def _start_api(environment: dict[str, str], host: str, port: int | None) -> "subprocess.Popen[bytes]":
    if port is None:
        usual = int(environment.get("DEPLOYTAIL_PORT", "8400"))
        port = usual if _is_free(host, usual) else 0
    command = [sys.executable, "-m", "api", "--host", host, "--port", str(port)]
    return _start(command, environment, subprocess.PIPE)


def _announced(api: "subprocess.Popen[bytes]") -> str:
    """The address that the API says it listens on."""
    words = api.stdout.readline().decode().split() if api.stdout else []
    url = next((word.rstrip(",") for word in words if word.startswith("http")), None)
    if url is None:
        api.wait()
        raise StackError("the API does not start")  # it has said why
    return url


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _await_ready(stack: Stack) -> None:
    end = time.monotonic() + _START_SECONDS
    with httpx2.Client() as client:
        while time.monotonic() < end:
            if name := stack.dead():
                raise StackError(f"the {name} has stopped")
            try:
                if client.get(f"{stack.api_url}/readyz").is_success:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
    raise StackError(f"the API at {stack.api_url} does not become ready")

"""`deploytail demo`: the whole way once, on real parts, in a folder that goes with it."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from api.client import Client, Refused, ServiceAway
from scripts.embedded import EmbeddedError
from scripts.exits import EXIT_AWAY, EXIT_INTERRUPTED
from scripts.program import NAME
from scripts.stack import StackError, stack
from scripts.watch import show

APP = "shop"
LIVE_SPEED, REPLAY_SPEED = 2.0, 10.0


def tour() -> int:
    """Run the tour; return the exit status, 0 when both the live log and its replay were whole."""
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="deploytail-demo-") as folder:
        os.environ["DEPLOYTAIL_HOME"] = folder
        try:
            _title("Starting Valkey, a worker and the API")
            with stack(port=0, workers=1, say=print) as running, Client(running.api_url) as client, _said():
                return _show_both(client)
        except KeyboardInterrupt:
            print("interrupted: everything is stopped", file=sys.stderr)
            return EXIT_INTERRUPTED
        except (StackError, EmbeddedError, ServiceAway, Refused, OSError) as error:
            print(f"deploytail: {error}", file=sys.stderr)
            return EXIT_AWAY


def _show_both(client: Client) -> int:
    simulate = {"scenario": "static", "seed": 7, "speed": LIVE_SPEED}
    body = {"environment": "staging", "message": "a demo", "simulate": simulate}
    deploy = client.request("POST", f"/v1/apps/{APP}/deploy", body)["deploy_id"]
    _title(f"Deploy {deploy} is queued; its log, live as the worker writes it")
    live = show(client.follow(APP, deploy))
    _title(f"The same deploy, over by now, replayed at {REPLAY_SPEED / LIVE_SPEED:g} times that pace")
    replayed = show(client.follow(APP, deploy, speed=REPLAY_SPEED / LIVE_SPEED))
    _title("What you saw")
    print(
        "A job was queued in Valkey; an RQ worker ran it and appended each line to a capped list and published it.\n"
        "The API sent the cached lines first, then followed live; both times the log was proven whole.\n"
        "\nWhere to go next\n"
        f"  {NAME} up                     run it yourself; then, in another terminal:\n"
        f"  {NAME} enqueue {APP} --watch   a fake deploy\n"
        f"  {NAME} scenario list          what else it can play\n"
        f"  {NAME} run {APP} -- make test  a real command as a deploy\n"
        f"  {NAME} --help                 everything else"
    )
    return live or replayed


def _title(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _said() -> Iterator[None]:
    """Stopping takes its time: say at once that the interrupt was heard."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nStopping...", file=sys.stderr, flush=True)
        raise

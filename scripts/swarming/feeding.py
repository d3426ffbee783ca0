"""A process that writes logs: `python -m scripts.swarming.feeding REDIS_URL`, with orders on its standard input.

Each deploy is a thread that plays its scenario through the writer, as a worker's job does, without the queue and
without a process for each.
"""

import asyncio
import sys
import threading
import time
from collections import Counter
from typing import cast

from producer.errors import DeployCancelled, DeployLogError
from producer.library import open_log
from producer.simulate import FaultKind, ScenarioName
from producer.status import Status
from producer.writer import Writer
from scripts.swarming.messages import Feed, Order, Report
from scripts.swarming.process import serve
from scripts.swarming.scenes import scene
from worker.assemble import Assembled
from worker.perform import perform

_LOOK_SECONDS = 0.5
_LEAVE_SECONDS = 10.0
_HURRY_SECONDS = 5.0


class Stopped(Exception):
    """The swarm is stopped."""


class Crashed(Exception):
    """The scenario has the worker die here."""


class Feeder:
    """Writes the logs of deploys to the Redis at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopping = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._errors: Counter[str] = Counter()
        self._complaints: list[str] = []

    def take(self, order: Order) -> None:
        """Begin to write a log."""
        if isinstance(order, Feed):
            thread = threading.Thread(target=self._feed, args=(order,), name=order.id, daemon=True)
            self._threads.add(thread)
            thread.start()

    def report(self) -> Report:
        """How it fares."""
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        complaints, self._complaints = self._complaints, []
        return Report(open=len(self._threads), errors=dict(self._errors), complaints=complaints)

    async def leave(self, *, judged: bool) -> None:  # noqa: ARG002 - only watchers are judged
        """Give every deploy that still runs its end: it fails as interrupted."""
        self._stopping.set()
        end = time.monotonic() + _LEAVE_SECONDS
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, end - time.monotonic()))

    def _feed(self, order: Feed) -> None:
        scenario, fault = cast(ScenarioName, order.scenario), cast(FaultKind | None, order.fault)
        try:
            played = scene(scenario, order.seed, order.app, fault)
            log = open_log(order.app, order.id, url=self._url, secrets=played.mask)
            try:
                self._write(order, played.actions, log)
            except Crashed:
                pass  # without an end: that is the reaper's to find out
            except DeployCancelled:
                log.finish(Status.CANCELLED)
            except Stopped:
                log.hurry(_HURRY_SECONDS)
                log.finish(Status.FAILED, "interrupted", "the swarm was stopped")
            finally:
                log.close()
        except DeployLogError as error:
            self._errors[f"a writer met {type(error).__name__}"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the swarm has to tell it
            self._complaints.append(f"deploy {order.app}/{order.id}: its writer met {error!r}")

    def _write(self, order: Feed, actions: Assembled, log: Writer) -> None:
        due = time.monotonic()

        def pause(delay_ms: int) -> None:
            nonlocal due
            if order.speed:
                due += delay_ms / 1000 / order.speed
                self._wait(log, due)

        end = perform(actions, log, pause, _crash, self._url)
        log.finish(end.status, end.reason, end.detail)

    def _wait(self, log: Writer, due: float) -> None:
        """Wait until it is time for the next line. A line that is late makes no other late."""
        while (left := due - time.monotonic()) > 0:
            log.wait(min(left, _LOOK_SECONDS))
            if self._stopping.is_set():
                raise Stopped
        if self._stopping.is_set():
            raise Stopped


def _crash() -> None:
    raise Crashed


async def _main(url: str) -> None:
    await serve(Feeder(url))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))

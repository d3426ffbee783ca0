"""Deploys, watchers and random faults together, from a seed; what every watcher was told is checked: `scripts/soak`."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from producer import calls
from producer.connect import connect_async
from producer.deploys import states
from producer.errors import DeployLogError
from producer.store import AsyncStore
from scripts.embedded import EmbeddedError
from scripts.soaking.course import FAULTS, HOSTILE, QUIET, Course
from scripts.soaking.crowd import Crowd
from scripts.soaking.faults import Injector
from scripts.soaking.ledger import Ledger
from scripts.soaking.load import Load
from scripts.soaking.parts import Parts, parts
from scripts.soaking.probe import probe
from scripts.soaking.table import progress, table
from scripts.stack import StackError

EXIT_WHOLE, EXIT_BROKEN, EXIT_AWAY, EXIT_INTERRUPTED = 0, 1, 69, 130

_ENDS_SECONDS = 60.0  # for all deploys to end, once the faults are over
_STREAMS_SECONDS = 30.0  # for all streams to end, once all deploys have
_TELL_SECONDS = 10.0
_SETTLING, _TIMED = 0.2, 0.5  # shares of a phase
_SHOWN_VIOLATIONS = 10


class Soak:
    """One run on running parts; what comes of it is in `ledger`."""

    def __init__(self, running: Parts, seconds: float, seed: int, watchers: int) -> None:
        self._broken = running.folder / "violations.txt"
        self.ledger = Ledger(self._violated)
        self._parts = running
        self._seconds = seconds
        self._seed = seed
        self._course = Course(seconds)
        load, crowd, faults = (Random(f"{seed} {name}") for name in ("load", "crowd", "faults"))
        self._load = Load(running, self.ledger, self._course, load)
        self._crowd = Crowd(watchers, running, self.ledger, self._course, crowd)
        self._injector = Injector(running, self.ledger, faults, self._load.cancel)
        self._store = AsyncStore(connect_async(running.redis_url, connections=4, retries=1))

    async def run(self) -> None:
        """All of it, to the last check."""
        ledger, course = self.ledger, self._course
        try:
            async with asyncio.TaskGroup() as group:
                kept = [group.create_task(self._keep_books()), group.create_task(self._tell())]
                injecting = group.create_task(self._injector.run(lambda: course.phase == FAULTS))
                works = (self._load.deploy(), self._load.write(), self._crowd.gather(), self._crowd.storm())
                for work in (*works, self._time_delivery()):
                    group.create_task(work)
                await asyncio.sleep(self._seconds)
                course.stopping = True
                self._load.stop()
                injecting.cancel()
                await self._injector.healed()
                _say("the faults are over: every deploy and every stream has to end")
                await _wait(lambda: not ledger.live and not self._load.asked, _ENDS_SECONDS)
                for deploy in ledger.live:
                    ledger.violation(f"deploy {deploy.keys.member} has not ended within {_ENDS_SECONDS:g} s")
                await _wait(lambda: not self._crowd.size, _STREAMS_SECONDS)
                for record in self._crowd.records:
                    ledger.hangs(record, f"the stream has not ended within {_STREAMS_SECONDS:g} s of its deploy")
                for task in kept:
                    task.cancel()
        finally:
            await self._load.close()
            await self._crowd.close()
            await self._injector.close()
            await self._store.client.aclose()

    def _violated(self, what: str, details: str) -> None:
        if len(self.ledger.violations) <= _SHOWN_VIOLATIONS:
            _say(f"VIOLATION at {self._course.elapsed:.1f} s: {what}")
        with self._broken.open("a") as file:
            file.write(f"{self._course.elapsed:.1f} s, seed {self._seed}: {what}\n    {details}\n\n")

    async def _keep_books(self) -> None:
        """See which deploys have ended, and whether a part has."""
        while True:
            await asyncio.sleep(0.3)
            await self._replace_dead()
            live = self.ledger.live
            try:
                found, _ = await self._store.run(states([deploy.keys for deploy in live]))
                for deploy, state in zip(live, found, strict=True):
                    if state is not None and state.status.terminal:
                        self.ledger.ended(deploy, await self._store.run(calls.snapshot(deploy.keys)))
            except DeployLogError:
                pass  # a fault; the next look is soon

    async def _replace_dead(self) -> None:
        for part in self._parts.dead():
            part.expected = True
            if part.process.returncode != EXIT_AWAY:  # what a service says that is started while Redis is away
                self.ledger.violation(f"{part.name} has ended by itself, with status {part.process.returncode}")
            if part is self._parts.worker:
                self._parts.start_worker()
            for replica in self._parts.replicas:
                if replica.part is part:
                    await self._parts.start_replica(replica)

    async def _time_delivery(self) -> None:
        """Time it in each quiet phase, and in each with hostile watchers."""
        course = self._course
        while not course.stopping:
            phase, seconds = course.phase, course.left
            await asyncio.sleep(seconds * _SETTLING)
            if phase in (QUIET, HOSTILE):
                apis = [replica.url for replica in self._parts.replicas]
                self.ledger.delivered(phase, await probe(self._parts.redis_url, seconds * _TIMED, apis))
            await asyncio.sleep(course.left if course.phase == phase else 0)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            _say(progress(self.ledger, self._course.elapsed, self._course.phase, self._crowd.size))


async def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110 - what many tasks and processes do
        await asyncio.sleep(0.05)


def _say(text: str) -> None:
    print(text, flush=True)


async def _run(folder: Path, seconds: float, seed: int, watchers: int) -> int:
    """One run whose data lies in `folder`; the exit status."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with parts(folder) as start:
        running = await start()
        soak = Soak(running, seconds, seed, watchers)
        await soak.run()
        ledger = soak.ledger
        _say("\n" + table(ledger, seed, seconds, running.replicas))
    if not ledger.violations and not (ledger.lost or ledger.doubled or ledger.hanging):
        return EXIT_WHOLE
    _say(f"\nTHE PROMISE IS BROKEN (seed {seed}); all of it is in {folder / 'violations.txt'}")
    for violation in ledger.violations[:_SHOWN_VIOLATIONS]:
        _say(f"- {violation}")
    return EXIT_BROKEN


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a soak; 0 only where nothing was lost, doubled or left hanging."""
    parser = argparse.ArgumentParser("scripts/soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long deploys, watchers and faults run")
    parser.add_argument("--seed", type=int, default=None, help="what is drawn at random comes from it; else a new one")
    parser.add_argument("--watchers", type=int, default=80, help="about how many watch at the same time")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="deploytail-soak-"))
    _say(f"seed {seed}, {options.seconds:g} s, {options.watchers} watchers; data in {folder}")
    status = EXIT_BROKEN
    try:
        status = asyncio.run(_run(folder, options.seconds, seed, options.watchers))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("\ninterrupted: everything is stopped", file=sys.stderr)
        status = EXIT_INTERRUPTED
    except (StackError, EmbeddedError) as error:
        print(f"soak: {error}", file=sys.stderr)
        status = EXIT_AWAY
    finally:
        if status in (EXIT_WHOLE, EXIT_INTERRUPTED):
            shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())

"""The swarm's processes, from both ends: each gets orders on its standard input, and reports on its standard output."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from scripts.swarming.histogram import Histogram
from scripts.swarming.messages import Leave, Order, Report
from worker.lifetime import die_with_parent

REPORT_SECONDS = 0.25
_PROBE_SECONDS = 0.05
_LINE_BYTES = 16 * 1024 * 1024
_LEAVE_SECONDS = 20.0

_orders = msgspec.json.Decoder(Order)
_reports = msgspec.json.Decoder(Report)


class Child:
    """A process that runs a module of the swarm on the address `url`.

    `told` hears each of its reports, `report` is the last of them.
    """

    def __init__(self, module: str, url: str, told: Callable[[Report], None]) -> None:
        self.report = Report()
        self._command = [sys.executable, "-m", f"scripts.swarming.{module}", url]
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it. Its end, whenever it comes, is that of its output."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # In a session of its own: on Ctrl-C it is told to leave, and gives its last report.
            start_new_session=True,
            preexec_fn=die_with_parent,
            limit=_LINE_BYTES,
        )
        self._reading = asyncio.ensure_future(self._read(self._process))

    def send(self, order: Order) -> None:
        """Give it an order."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    @property
    def died(self) -> bool:
        """Whether it has ended."""
        return self._reading is not None and self._reading.done()

    async def leave(self, *, judged: bool) -> None:
        """Let it come to its end, and wait for its last report; kill it where that takes too long."""
        if self._process is None or self._reading is None:
            return
        self.send(Leave(judged))
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._reading
                await self._process.wait()
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        while process.stdout is not None and (line := await process.stdout.readline()):
            self.report = _reports.decode(line)
            self._told(self.report)


class Work(Protocol):
    """What a process does, from its own side."""

    def take(self, order: Order) -> None:
        """Begin with an order."""

    def report(self) -> Report:
        """How it fares; without `lag` and `cpu`."""

    async def leave(self, *, judged: bool) -> None:
        """Come to an end; a last report follows."""


async def serve(work: Work) -> None:
    """Take orders and report, until told to leave or the swarm is gone."""
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lag, cpu = Lag(), time.process_time()
    timing, reporting = asyncio.ensure_future(lag.measure()), asyncio.ensure_future(_keep_reporting(work, lag, cpu))
    judged = False
    while line := await reader.readline():
        order = _orders.decode(line)
        if isinstance(order, Leave):
            judged = order.judged
            break
        work.take(order)
    await work.leave(judged=judged)
    for task in (timing, reporting):
        task.cancel()
    _say(work, lag, cpu)


class Lag:
    """How late this process's event loop is: what it has measured too late is not the service's doing."""

    def __init__(self) -> None:
        self.seen = Histogram()

    async def measure(self) -> None:
        """Keep measuring."""
        while True:
            due = time.monotonic() + _PROBE_SECONDS
            await asyncio.sleep(_PROBE_SECONDS)
            self.seen.add(time.monotonic() - due)


async def _keep_reporting(work: Work, lag: Lag, cpu_before: float) -> None:
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        _say(work, lag, cpu_before)


def _say(work: Work, lag: Lag, cpu_before: float) -> None:
    report = work.report()
    report.lag, report.cpu = dict(lag.seen.counts), time.process_time() - cpu_before
    data = memoryview(msgspec.json.encode(report) + b"\n")
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]

"""One run of the swarm: deploys come, watchers follow them, the books are kept, and everything comes to its end."""

import asyncio
import math
import os
import secrets
import time
from collections.abc import Callable
from itertools import cycle

import httpx2

from producer.keys import Keys
from scripts.swarming.asking import Asking, NotTaken
from scripts.swarming.books import ServiceBooks, StoreBooks
from scripts.swarming.ledger import Deploy, Ledger
from scripts.swarming.messages import Feed, Report, Watch
from scripts.swarming.plan import END, MIDDLE, START, Join, Plan, Planned
from scripts.swarming.process import Child, Lag
from scripts.swarming.scenes import Need, course
from scripts.swarming.target import Target
from scripts.swarming.totals import ARRIVALS, FEEDERS, WATCHERS, Totals, totals

_LOOK_SECONDS = 0.3
_WATCHERS_LINES = 30_000  # that one process of watchers takes each second, in half of its time
_FEEDER_LINES = 1_500  # that one process writes, each line by itself
_ASKED_AT_ONCE = 64
_ANSWER_SECONDS = 30.0


class SwarmError(Exception):
    """The swarm, or the stack that it has started, cannot go on."""


class Swarm:
    """Runs `plan` on `target`; what comes of it is in `ledger`. `direct`: it writes the logs itself.

    `stopping` can be set to have it come to its end at once: then what has not ended is not held against anybody.
    """

    def __init__(self, plan: Plan, target: Target, need: Need, *, direct: bool) -> None:
        self.plan = plan
        self.ledger = Ledger()
        self.stopping = asyncio.Event()
        self.arriving = True
        self._target = target
        self._began = time.monotonic()
        self._cpu_before = time.process_time()
        self._lag = Lag()
        self._run = secrets.token_hex(3)
        self._watchers = 0
        self._http = httpx2.AsyncClient(base_url=target.api_url, timeout=_ANSWER_SECONDS)
        self._store = StoreBooks(target.redis_url) if target.redis_url else None
        self._books = self._store or ServiceBooks(self._http)
        self._asking = Asking(self._http, self._store.store if direct and self._store else None)
        cores = os.cpu_count() or 1
        crowds = min(cores, max(1, math.ceil(need.lines_out / _WATCHERS_LINES)))
        feeders = min(cores, max(1, math.ceil(need.lines_in / _FEEDER_LINES))) if direct else 0
        self._crowds = [Child("watching", target.api_url, self._told) for _ in range(crowds)]
        self._feeders = [Child("feeding", target.redis_url or "", self._told) for _ in range(feeders)]
        self._crowd, self._feeder = cycle(self._crowds), cycle(self._feeders)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def totals(self) -> Totals:
        """How everything stands."""
        mine = Report(lag=dict(self._lag.seen.counts), cpu=time.process_time() - self._cpu_before)
        crowds, feeders = ([child.report for child in children] for children in (self._crowds, self._feeders))
        return totals(self.elapsed, self.ledger, {ARRIVALS: [mine], WATCHERS: crowds, FEEDERS: feeders})

    async def run(self, show: Callable[[], None], show_seconds: float) -> None:
        """All of it; `show` is called every so many seconds. Raises SwarmError."""
        children = [*self._crowds, *self._feeders]
        try:
            await asyncio.gather(*(child.start() for child in children))
            self._began, self._cpu_before = time.monotonic(), time.process_time()
            async with asyncio.TaskGroup() as group:
                kept = (
                    self._lag.measure(),
                    _every(_LOOK_SECONDS, self._keep_books),
                    _every(show_seconds, show),
                    self._see_that_all_live(children),
                )
                tasks = [group.create_task(each) for each in kept]
                await self._arrive()
                await self._await_ends()
                for task in tasks:
                    task.cancel()
            await self._end()
        except* SwarmError as errors:
            raise errors.exceptions[0] from None
        finally:
            for child in children:
                child.kill()
            await self._books.close()
            await self._http.aclose()

    async def _arrive(self) -> None:
        """Ask for the deploys as they are due, until all are or the swarm is stopped."""
        turn = asyncio.Semaphore(_ASKED_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for planned in self.plan.deploys_to_come():
                await self._pause(planned.at - self.elapsed)
                if self.stopping.is_set():
                    break
                await turn.acquire()
                group.create_task(self._ask(planned)).add_done_callback(lambda _: turn.release())
        self.arriving = False

    async def _ask(self, planned: Planned) -> None:
        """Have the deploy queued, and those come who watch it from the start."""
        keys = Keys(f"swarm-{planned.app}", f"d{self._run}-{planned.number}")
        speed, seconds, _ = course(self.plan, planned)
        try:
            await self._asking.ask(planned, keys, speed)
        except NotTaken as error:
            self.ledger.refused[str(error)] += 1
            return
        deploy = Deploy(planned, keys, seconds, list(planned.joins))
        self.ledger.ask(deploy, self.elapsed)
        self._join(deploy, START)
        if self._feeders:
            scenario, seed, fault = planned.scenario, planned.seed, planned.fault
            feed = Feed(keys.app, keys.deploy, scenario, seed, fault, speed)
            next(self._feeder).send(feed)

    async def _keep_books(self) -> None:
        """See where the deploys stand, and have those come who wait for that."""
        ledger = self.ledger
        live = ledger.live
        for deploy, standing in zip(live, await self._books.look([deploy.keys for deploy in live]), strict=True):
            if standing is None:
                continue
            queued = deploy.began_at is None
            ledger.stands(deploy, standing, self.elapsed)
            if queued and deploy.began_at is not None:
                self._plan_to_join(deploy)
            if deploy.ended_at is not None:
                self._join(deploy, MIDDLE, END)
        ledger.forget_those_through()

    def _plan_to_join(self, deploy: Deploy) -> None:
        loop = asyncio.get_running_loop()
        for join in deploy.to_join:
            if join.when == MIDDLE:
                loop.call_later(join.share * deploy.takes, self._come, deploy, [join])

    def _join(self, deploy: Deploy, *when: str) -> None:
        self._come(deploy, [join for join in deploy.to_join if join.when in when])

    def _come(self, deploy: Deploy, joins: list[Join]) -> None:
        """Have these watchers come, but for those that have already."""
        joins = [join for join in joins if join in deploy.to_join]
        for join in joins:
            self._watchers += 1
            self.ledger.joined(deploy, [join])
            keys = deploy.keys
            next(self._crowd).send(Watch(deploy.planned.number, keys.app, keys.deploy, self._watchers, join.when))

    def _told(self, report: Report) -> None:
        for told in report.finished:
            self.ledger.take(told)
        for complaint in report.complaints:
            self.ledger.violation(complaint)

    async def _await_ends(self) -> None:
        """Wait until every deploy and every stream has ended, or has had its time."""
        ledger = self.ledger
        while not self.stopping.is_set():
            ledger.forget_those_through()
            if all(deploy.overdue(self.elapsed, ledger.moved_at) for deploy in ledger.deploys.values()):
                return
            await self._pause(0.05)

    async def _end(self) -> None:
        """Send everybody away, and hear their last reports."""
        judged = not self.stopping.is_set()
        await asyncio.gather(*(child.leave(judged=judged) for child in self._feeders))
        if not judged and self._target.own is None:
            await self._asking.cancel([deploy.keys for deploy in self.ledger.live])
        await self._keep_books()
        await asyncio.gather(*(child.leave(judged=judged) for child in self._crowds))
        if judged:
            for deploy in self.ledger.live:
                self.ledger.without_end(deploy)

    async def _see_that_all_live(self, children: list[Child]) -> None:
        own = self._target.own
        while True:
            await asyncio.sleep(0.5)
            if any(child.died for child in children):
                raise SwarmError("a process of the swarm has ended by itself")
            if own is not None and (name := own.dead()):
                raise SwarmError(f"the {name} that the swarm has started has stopped")

    async def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the swarm is stopped."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self.stopping.wait()
        except TimeoutError:
            pass


async def _every(seconds: float, act: Callable[[], object]) -> None:
    """Act again and again."""
    while True:
        await asyncio.sleep(seconds)
        done = act()
        if asyncio.iscoroutine(done):
            await done

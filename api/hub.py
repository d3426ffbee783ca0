"""The hub: one subscription per deploy that somebody watches, fanned out to all its watchers.

A topic is registered before the first await, so that who comes at the same time finds it. Then: read the list (a
finished deploy needs no more), subscribe, and on the confirmation read the list again behind what is known. What was
published from the confirmation on is received and merged by sequence number, so no line is lost or doubled at the seam.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from api.catchup import PAGE_BYTES, page
from api.follow import Follow, Next
from api.live import Live
from api.run import Run
from api.subscriber import Message, Subscriber
from producer import calls
from producer.deploys import states
from producer.errors import DeployLogError, StoreAway, StoreCorrupt, UnknownDeploy
from producer.keys import Keys
from producer.store import AsyncStore

log = logging.getLogger(__name__)

TOPIC_BYTES = 16 * 1024 * 1024
_LEAST_TOPIC_BYTES = 64 * 1024
_VALID_SECONDS = 2.0
_READS_AT_ONCE = 8


class Waiting(Protocol):
    """Whoever waits for a topic to grow."""

    def wake(self) -> None:
        """The topic has grown or ended."""


class Topic:
    """One deploy that is watched, or was: its run of frames, what is known of it, and who waits for more."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.channel = keys.events.encode()
        self.run = Run()
        self.follow = Follow(self.run)
        self.live = Live()
        self.watchers = 0
        self.waiting: set[Waiting] = set()
        self.error: Exception | None = None
        self.read_at = 0.0
        self.is_open = False
        self.confirmed = False
        self._reading = False
        self._read_again = False

    def wake(self) -> None:
        """Send all that ride along what is new, and let all that wait look again."""
        self.live.deliver(self.run, _now())
        if self.follow.ended or self.error is not None:
            self.live.release()
        waiting, self.waiting = self.waiting, set()
        for watcher in waiting:
            watcher.wake()

    def open(self, error: Exception | None = None) -> None:
        """The first read is done, or the topic has failed."""
        self.error = error
        self.is_open = True
        self.wake()

    def start_reading(self) -> bool:
        """Whether the caller is to read; when a read is under way, it will be followed by another."""
        self._read_again = True
        if self._reading:
            return False
        self._reading = True
        return True

    def keep_reading(self) -> bool:
        """Whether one more read was asked for since the last one began."""
        self._reading, self._read_again = self._read_again, False
        return self._reading


@dataclass(frozen=True, slots=True)
class Statistics:
    """The hub in numbers. `bytes` are those of all frames held."""

    topics: int
    finished: int
    watchers: int
    channels: int
    bytes: int
    connected: bool


class Hub:
    """All topics of this process. `memory` bounds the bytes of frames that it holds."""

    def __init__(self, store: AsyncStore, url: str, memory: int) -> None:
        self._store = store
        self._memory = memory
        self._subscriber = Subscriber(url, self._confirmed, self._messages)
        self._topics: dict[Keys, Topic] = {}
        self._by_channel: dict[bytes, Topic] = {}
        self._finished: OrderedDict[Keys, Topic] = OrderedDict()
        self._finished_bytes = 0
        self._pages: dict[tuple[Keys, int, str], asyncio.Task[tuple[bytes, int]]] = {}
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the subscription until cancelled."""
        await self._subscriber.run()

    async def close(self) -> None:
        """Stop all that is under way."""
        tasks = [*self._tasks, *self._pages.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def live(self) -> list[Topic]:
        """The topics that are open and have not ended."""
        return [topic for topic in self._by_channel.values() if not topic.follow.ended]

    def statistics(self) -> Statistics:
        """The hub in numbers, now."""
        topics = self._topics.values()
        return Statistics(
            topics=len(self._topics),
            finished=len(self._finished),
            watchers=sum(topic.watchers for topic in topics),
            channels=self._subscriber.channels,
            bytes=sum(topic.run.memory for topic in topics) + self._finished_bytes,
            connected=self._subscriber.connected,
        )

    def enter(self, keys: Keys) -> Topic:
        """Become a watcher: pair it with `leave`. Wait until the topic `is_open` before using it."""
        topic = self._topics.get(keys) or self._take_finished(keys)
        if topic is None:
            topic = Topic(keys)
            self._spawn(topic, self._open(topic))
        elif topic.is_open and topic.follow.ended and _now() - topic.read_at > _VALID_SECONDS:
            topic = self._revalidated(topic)
        self._topics[keys] = topic
        topic.watchers += 1
        return topic

    def leave(self, topic: Topic) -> None:
        """Stop watching. With the last watcher the topic goes; a finished one is kept for the next replay."""
        topic.watchers -= 1
        # One that is not open yet stays until it is: who comes meanwhile must not have the list read once more.
        if topic.is_open:
            self._let_go(topic)

    def _let_go(self, topic: Topic) -> None:
        if topic.watchers:
            return
        self._unsubscribe(topic)
        if self._topics.get(topic.keys) is topic:
            del self._topics[topic.keys]
            if topic.is_open and topic.error is None and topic.follow.ended and not topic.follow.lost:
                self._finished[topic.keys] = topic
                self._finished_bytes += topic.run.memory
        while self._finished_bytes > self._memory // 4 and self._finished:
            _, oldest = self._finished.popitem(last=False)
            self._finished_bytes -= oldest.run.memory

    def read(self, topic: Topic) -> None:
        """Have the list read again behind what the topic knows."""
        if topic.start_reading():
            self._spawn(topic, self._read(topic))

    def trim(self) -> None:
        """Hold all topics to their share of the memory, which gets smaller as they get more."""
        for topic in self._topics.values():
            self._trim(topic)

    async def page(self, keys: Keys, after: int, reason: str) -> tuple[bytes, int]:
        """Frames straight from the list, for a watcher that fell out of memory, and the seq that it then has.

        Watchers at the same place share one read. Raises UnknownDeploy, StoreAway.
        """
        key = (keys, after, reason)
        task = self._pages.get(key)
        if task is None:
            task = self._pages[key] = asyncio.ensure_future(self._page(*key))
            task.add_done_callback(lambda task: self._paged(key, task))
        return await asyncio.shield(task)

    def _paged(self, key: tuple[Keys, int, str], task: "asyncio.Task[tuple[bytes, int]]") -> None:
        del self._pages[key]
        if not task.cancelled():
            task.exception()  # those who waited may have left: it counts as seen

    def _take_finished(self, keys: Keys) -> Topic | None:
        topic = self._finished.pop(keys, None)
        if topic is not None:
            self._finished_bytes -= topic.run.memory
        return topic

    def _revalidated(self, topic: Topic) -> Topic:
        fresh = Topic(topic.keys)
        fresh.run, fresh.follow = topic.run, topic.follow
        self._spawn(fresh, self._revalidate(fresh))
        return fresh

    async def _revalidate(self, topic: Topic) -> None:
        """A finished deploy may have expired, or be another one by now."""
        known = topic.follow
        try:
            ((state,), _) = await self._store.run(states([topic.keys]))
        except DeployLogError as error:
            self._fail(topic, error)
            return
        if state is not None and known.is_end_of(state):
            topic.read_at = _now()
            topic.open()
            self._let_go(topic)
            return
        topic.run = Run()
        topic.follow = Follow(topic.run)
        await self._open(topic)

    async def _open(self, topic: Topic) -> None:
        try:
            async with self._reads:
                topic.read_at = _now()
                topic.follow.snapshot(await self._store.run(calls.snapshot(topic.keys)))
        except DeployLogError as error:
            self._fail(topic, error)
            return
        self._trim(topic)
        if not topic.follow.ended and topic.watchers:
            self._by_channel[topic.channel] = topic
            self._subscriber.subscribe(topic.channel)
        topic.open()
        self._let_go(topic)

    def _fail(self, topic: Topic, error: Exception) -> None:
        if self._topics.get(topic.keys) is topic:
            del self._topics[topic.keys]
        self._unsubscribe(topic)
        topic.open(error)

    def _unsubscribe(self, topic: Topic) -> None:
        if self._by_channel.get(topic.channel) is topic:
            del self._by_channel[topic.channel]
            self._subscriber.unsubscribe(topic.channel)

    def _confirmed(self, channel: bytes) -> None:
        topic = self._by_channel.get(channel)
        if topic is None:
            return
        if topic.confirmed:
            topic.follow.resubscribed()
        topic.confirmed = True
        self.read(topic)

    def _messages(self, messages: Sequence[Message]) -> None:
        grown: dict[Topic, Next] = {}
        for channel, group in groupby(messages, key=itemgetter(0)):
            topic = self._by_channel.get(channel)
            if topic is None:
                continue
            batch = [data for _, data in group]
            try:
                taken = topic.follow.lines(batch)
                if taken:
                    grown[topic] = Next.WAKE
                for action in map(topic.follow.message, batch[taken:]):
                    if action is Next.READ:
                        self.read(topic)
                    elif action is not Next.NOTHING:
                        grown[topic] = action
            except Exception as error:  # noqa: BLE001 - one deploy's message must not end the service for all
                self._crash(topic, error)
        for topic, action in grown.items():
            self._act(topic, action)

    def _act(self, topic: Topic, action: Next) -> None:
        if action is Next.NOTHING:
            return
        if action is Next.READ:
            self.read(topic)  # this one may have brought something all the same
        self._trim(topic)
        topic.wake()
        if action is Next.END:
            self._unsubscribe(topic)

    async def _read(self, topic: Topic) -> None:
        delay = 0.05
        while topic.keep_reading():
            if topic.follow.ended or not topic.watchers:
                continue
            try:
                async with self._reads:
                    after = topic.follow.read_after
                    snapshot = await self._store.run(calls.snapshot(topic.keys, after))
            except (UnknownDeploy, StoreCorrupt):
                self._act(topic, topic.follow.vanished())
            except StoreAway:
                topic.start_reading()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
            else:
                self._act(topic, topic.follow.snapshot(snapshot))

    async def _page(self, keys: Keys, after: int, reason: str) -> tuple[bytes, int]:
        async with self._reads:
            snapshot = await self._store.run(calls.snapshot(keys, after, PAGE_BYTES))
        return page(snapshot, after, reason)

    def _trim(self, topic: Topic) -> None:
        share = self._memory // max(1, len(self._topics))
        topic.run.trim(max(_LEAST_TOPIC_BYTES, min(TOPIC_BYTES, share)))

    def _crash(self, topic: Topic, error: BaseException) -> None:
        """Nobody may wait for ever on a topic that is broken: its watchers are cut off, and come back to a new one."""
        log.error("the topic of %s has failed", topic.keys, exc_info=error)
        self._fail(topic, RuntimeError("the topic has failed"))

    def _spawn(self, topic: Topic, work: Coroutine[None, None, None]) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._crash(topic, error)

        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(ended)


def _now() -> float:
    return asyncio.get_running_loop().time()

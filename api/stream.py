"""The response that streams a deploy's log: cached events first, then live, then the end."""

import asyncio
import random

from starlette.types import Receive, Scope, Send

from api import frames, resume
from api.hub import Hub, Topic
from api.limits import Slots
from api.pace import Pace
from api.resume import Start
from api.run import Chunk
from api.watcher import Watcher, Watchers
from producer.errors import StoreAway, UnknownDeploy
from producer.keys import Keys

RETRY_MS = 1_000, 3_000
_HOLD_SECONDS = 1.0
_LATE_SECONDS = 1.0


class LogStream:
    """Serves one watcher, as an ASGI application.

    `n` is the last event that it has; `pace` plays a finished deploy at its recorded pace.

    Before the response starts it raises UnknownDeploy, StoreAway, TooManyWatchers. A come-back, which has an `n`, is
    held open while Redis is away: a browser gives up for good on any other status than 200.
    """

    __slots__ = ("_due", "_hub", "_keys", "_n", "_pace", "_prefix", "_slots", "_watchers")

    def __init__(
        self, hub: Hub, watchers: Watchers, slots: Slots, keys: Keys, n: int | None, pace: Pace | None
    ) -> None:
        self._hub = hub
        self._watchers = watchers
        self._slots = slots
        self._keys = keys
        self._n = n
        self._pace = pace
        self._due = 0.0
        self._prefix = b""  # what this watcher alone is told, ahead of the next frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        client = scope.get("client")
        caller = client[0] if client else ""
        with self._slots.slot(caller):
            watcher = Watcher(self._watchers, scope, receive, send, random.randint(*RETRY_MS))
            try:
                await self._serve(watcher)
            finally:
                watcher.close()

    async def _serve(self, watcher: Watcher) -> None:
        while watcher.is_open():
            topic = self._hub.enter(self._keys)
            try:
                if await self._opened(watcher, topic):
                    await self._follow(watcher, topic)
                break
            except StoreAway:
                if self._n is None and not watcher.started:
                    raise
            except UnknownDeploy:
                if not watcher.started:
                    raise
                await watcher.send(_vanished(self._n or 0))  # while Redis was away
                break
            finally:
                topic.waiting.discard(watcher)
                self._hub.leave(topic)
            await watcher.start()
            await watcher.sleep(_HOLD_SECONDS)
        await watcher.finish()

    async def _opened(self, watcher: Watcher, topic: Topic) -> bool:
        """Wait for the topic's first read, with heartbeats; whether there is still somebody to serve.

        Raises what it met. A come-back is not kept waiting for its first bytes.
        """
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + _HOLD_SECONDS
        while not topic.is_open:
            topic.waiting.add(watcher)
            if not await watcher.wait(_HOLD_SECONDS):
                return False
            if self._n is not None and loop.time() >= patient_until:
                await watcher.start()
        if topic.error is not None:
            raise topic.error
        return True

    async def _follow(self, watcher: Watcher, topic: Topic) -> None:
        """Send the topic's log from where the watcher stands to its end. Raises StoreAway, UnknownDeploy."""
        follow = topic.follow
        plan = resume.plan(self._n, follow.last, finished=follow.ended and not follow.lost)
        if plan.start is Start.NOTHING:
            if not watcher.started:
                await watcher.nothing()
            return
        if not follow.ended:
            self._pace = None  # only what is over can be played at its pace
        self._n, self._prefix = plan.after, b""
        if plan.start is Start.AHEAD:
            await watcher.send(frames.comment(f"waiting for the log to pass event {self._n} again"))
            await self._reached(watcher, topic, self._n)
        if follow.ended and not follow.lost and self._n == follow.last + 1:
            self._n = follow.last  # a replica that knew the end before this one has told it everything
        if self._n > follow.last and follow.ended:
            # The log has ended below what the watcher was told once.
            self._prefix = frames.gap(follow.last + 1, self._n, frames.LOST)
            self._n = follow.last - 1
        await self._send(watcher, topic)

    async def _send(self, watcher: Watcher, topic: Topic) -> None:
        """Send what is behind event `_n`, as it comes, until the end or until nobody is left."""
        cursor: int | None = None
        missed = frames.TRIMMED
        while watcher.is_open():
            if cursor is None:
                cursor = await self._seat(watcher, topic, missed)
                continue
            chunk = topic.run.take(cursor)
            if chunk is None:
                cursor, missed = None, frames.LAGGED
            elif chunk.wire:
                await self._emit_chunk(watcher, chunk)
                cursor, self._n = chunk.cursor, chunk.seq
            elif topic.follow.ended:
                return
            elif topic.error is not None:
                raise topic.error
            elif self._prefix or not watcher.started:
                # A log with nothing to show yet. Look again after it: sending may have taken its time.
                await self._emit(watcher, b"")
            elif watcher.can_ride and self._pace is None:
                cursor, self._n = await watcher.ride(topic.live, topic.run, cursor, self._n or 0)
            else:
                topic.waiting.add(watcher)
                await watcher.wait()

    async def _seat(self, watcher: Watcher, topic: Topic, missed: str) -> int | None:
        """The cursor behind event `_n`; None, after a page from the list, where the run does not reach back to it."""
        await self._reached(watcher, topic, self._n or 0)  # a page may have been ahead of the run
        seat = topic.run.seat(self._n or 0)
        if seat is not None:
            self._prefix += seat.prefix
            return seat.cursor
        page, last = await self._hub.page(self._keys, self._n or 0, missed)
        await self._emit(watcher, page)
        if last == self._n:  # the store has less than was told: wait until it has it again
            topic.waiting.add(watcher)
            await watcher.wait(_HOLD_SECONDS)
        self._n = last
        return None

    async def _reached(self, watcher: Watcher, topic: Topic, seq: int) -> None:
        """Wait until the log reaches event `seq`, or ends, or nobody is left. Raises UnknownDeploy if it vanishes."""
        while topic.follow.last < seq and not topic.follow.ended and watcher.is_open():
            topic.waiting.add(watcher)
            await watcher.wait()
            if topic.error is not None:
                raise topic.error
        if topic.follow.lost and topic.follow.last < seq:
            raise UnknownDeploy(self._keys.deploy)

    async def _emit_chunk(self, watcher: Watcher, chunk: Chunk) -> None:
        if self._pace is not None:
            await self._emit(watcher, chunk.data)
            return
        if self._prefix:
            await self._emit(watcher, b"")
        await watcher.send_chunk(chunk.wire)

    async def _emit(self, watcher: Watcher, data: bytes) -> None:
        if self._prefix:
            data, self._prefix = self._prefix + data, b""
        if self._pace is None:
            await watcher.send(data)
            return
        # Against the clock, not pause by pause: what each wait is late by would add up.
        loop = asyncio.get_running_loop()
        self._due = self._due or loop.time()
        ready: list[bytes] = []
        for frame in data.split(b"\n\n")[:-1]:
            pause = self._pace.wait(frame)
            if pause:
                await watcher.send(b"".join(ready))
                ready.clear()
                self._due = max(self._due + pause, loop.time() - _LATE_SECONDS)
                if not await watcher.sleep(self._due - loop.time()):
                    return
            ready.append(frame + b"\n\n")
        await watcher.send(b"".join(ready))


def _vanished(seq: int) -> bytes:
    """The end of a stream whose deploy is gone, for a watcher that has everything up to event `seq`."""
    return frames.gap(seq + 1, None, frames.LOST) + frames.done(None)

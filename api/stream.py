"""The response that streams a deploy's log: cached events first, then live, then the end."""

import asyncio
import random

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import frames, resume
from api.hub import Hub, Topic
from api.limits import Slots
from api.pace import Pace
from api.resume import Start
from api.watcher import Watcher, Watchers
from producer.errors import StoreAway, UnknownDeploy
from producer.keys import Keys

RETRY_MS = 1_000, 3_000
_HOLD_SECONDS = 1.0
_LATE_SECONDS = 1.0


class LogStream(Response):
    """Serves one watcher. `n` is the last event that it has; `pace` plays a finished deploy at its recorded pace.

    Before the response starts it raises UnknownDeploy, StoreAway, TooManyWatchers. A come-back, which has an `n`, is
    held open while Redis is away: a browser gives up for good on any other status than 200.
    """

    def __init__(
        self, hub: Hub, watchers: Watchers, slots: Slots, keys: Keys, n: int | None, pace: Pace | None
    ) -> None:
        super().__init__()
        self._hub = hub
        self._watchers = watchers
        self._slots = slots
        self._keys = keys
        self._n = n
        self._pace = pace
        self._due = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        client = scope.get("client")
        with self._slots.slot(client[0] if client else ""):
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
        """Send the topic's log from where the watcher stands to its end. Raises StoreAway."""
        follow = topic.follow
        plan = resume.plan(self._n, follow.last, finished=follow.ended and not follow.lost)
        if plan.start is Start.NOTHING:
            if not watcher.started:
                await watcher.nothing()
            return
        seq, prefix = plan.after, b""
        if plan.start is Start.AHEAD:
            await watcher.send(frames.comment(f"waiting for the log to pass event {seq} again"))
            if not await self._caught_up(watcher, topic, seq):
                return
        if seq > follow.last:
            # The log has ended below what the watcher was told once.
            prefix = frames.gap(follow.last + 1, seq, frames.LOST)
            seq = follow.last - 1
        await self._send_from(watcher, topic, seq, prefix)

    async def _caught_up(self, watcher: Watcher, topic: Topic, seq: int) -> bool:
        """Wait until the log reaches event `seq`, or ends; whether there is still somebody, and something, to serve."""
        while topic.follow.last < seq and not topic.follow.ended:
            topic.waiting.add(watcher)
            if not await watcher.wait():
                return False
            if topic.error is not None:
                raise topic.error
        if topic.follow.lost:
            await watcher.send(_vanished(seq))
        return not topic.follow.lost

    async def _send_from(self, watcher: Watcher, topic: Topic, seq: int, prefix: bytes) -> None:
        cursor: int | None = None
        missed = frames.TRIMMED
        while watcher.is_open():
            self._n = seq
            if cursor is None:
                # A page of the list may have been ahead of the run.
                if seq > topic.follow.last and not await self._caught_up(watcher, topic, seq):
                    return
                seat = topic.run.seat(seq)
                if seat is None:
                    page, reached = await self._hub.page(self._keys, seq, missed)
                    await self._emit(watcher, topic, prefix + page)
                    if reached == seq:  # the store has less than was told: wait until it has it again
                        topic.waiting.add(watcher)
                        await watcher.wait(_HOLD_SECONDS)
                    seq, prefix = reached, b""
                    continue
                cursor, prefix = seat.cursor, prefix + seat.prefix
            chunk = topic.run.take(cursor)
            if chunk is None:
                cursor, missed = None, frames.LAGGED
            elif chunk.data:
                await self._emit(watcher, topic, prefix + chunk.data if prefix else chunk.data)
                cursor, seq, prefix = chunk.cursor, chunk.seq, b""
            elif topic.follow.ended:
                return
            elif topic.error is not None:
                raise topic.error
            else:
                # Also starts the response of a log that has nothing to show yet.
                await watcher.send(prefix)
                prefix = b""
                topic.waiting.add(watcher)
                await watcher.wait()

    async def _emit(self, watcher: Watcher, topic: Topic, data: bytes) -> None:
        if self._pace is None or not topic.follow.ended:
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

"""From where a watcher is served: its `Last-Event-ID` against the bounds of the log.

    N                                     unfinished deploy        finished deploy
    absent, malformed, far ahead          everything cached        everything cached, done
    0 to last - 1                         what is above N          what is above N, done
    last                                  waits for what comes     done alone
    last + 1                              as the next row          204: nothing is left to say
    ahead by up to W                      a comment, waits,        gap{last+1 ... N, lost}, terminal status, done
                                          what is above N

W is the writer's re-send window: a fail-over may have taken that many events, and the writer is sending them again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from producer.outbox import RESEND_EVENTS

_NUMBER = re.compile(r"[0-9]{1,20}\Z", re.ASCII)


class Start(Enum):
    """How a watcher starts."""

    AFTER = auto()  # with what is above `after`
    AHEAD = auto()  # it knows more than the store: wait until the log is above `after`
    TAKEN_BACK = auto()  # it knows more than the log that has ended ever had
    NOTHING = auto()  # it has everything, the end too: 204


@dataclass(frozen=True, slots=True)
class Plan:
    """`after` is the seq of the last event that the watcher has."""

    start: Start
    after: int


def parse(headers: Sequence[str], query: Sequence[str]) -> int | None:
    """The N of a request: the header wins over the query; None where it is absent or malformed.

    Anything but one run of ASCII digits is malformed, and so is a value that is given twice.
    """
    values = headers or query
    if len(values) != 1 or not _NUMBER.match(values[0]):
        return None
    return int(values[0])


def plan(n: int | None, last: int, *, finished: bool) -> Plan:
    """Where to start a watcher that has everything up to event `n` of a log whose last event is `last`."""
    if n is None:
        return Plan(Start.AFTER, 0)
    if n <= last:
        return Plan(Start.AFTER, n)
    if finished and n == last + 1:
        return Plan(Start.NOTHING, n)
    if n > last + RESEND_EVENTS:
        return Plan(Start.AFTER, 0)
    return Plan(Start.TAKEN_BACK if finished else Start.AHEAD, n)

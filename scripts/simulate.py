"""`deploytail simulate`: prints what a deploy would log, without any server."""

import json
import sys
import time
from collections.abc import Callable, Generator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from producer.event import clean
from producer.mask import Mask
from producer.status import Status, last_line
from scripts.exits import EXIT
from scripts.watch import Screen
from worker.actions import Cancel, Crash, Line, Play, Returning
from worker.assemble import assemble

Form: TypeAlias = Literal["text", "timed", "json"]


_CUT_OFF = {Cancel: (Status.CANCELLED, "cancelled"), Crash: (Status.FAILED, "worker_lost")}


class Ended(NamedTuple):
    """How the deploy would end, and after how many milliseconds."""

    status: Status
    reason: str | None
    detail: str | None
    at_ms: int


def tell(play: Play, secrets: Sequence[str] = ()) -> Generator[Line, None, Ended]:
    """The lines that the log would hold, masked and cut as the writer does it, the last one included."""
    mask = Mask(secrets)

    def hide(text: str | None) -> str | None:
        return None if text is None else clean(mask(text))

    actions = Returning(assemble(play, mask.open_end))
    passed = since = 0
    for action in actions:
        passed += action.delay_ms
        since += action.delay_ms
        match action:
            case Line():
                text = clean(mask(action.text, (action.stream, action.step)), action.omitted)
                yield action._replace(delay_ms=since, text=text, step=hide(action.step), omitted=0)
                since = 0
            case Cancel() | Crash():
                status, reason = _CUT_OFF[type(action)]
                ended = Ended(status, reason, None, passed)
                break
    else:
        end = actions.value
        since += end.delay_ms
        ended = Ended(end.status, hide(end.reason), hide(end.detail), passed + end.delay_ms)
    yield Line(since, clean(last_line(ended.status, ended.reason)), None, "system")
    return ended


def simulate(play: Play, secrets: Sequence[str], form: Form, speed: float) -> int:
    """Print it to stdout, at `speed` times its pace or with 0 at once; return the exit status of the design."""
    lines = Returning(tell(play, secrets))
    screen = Screen()
    write = _writer(form, screen)
    at = count = 0
    for line in lines:
        at += line.delay_ms
        count += 1
        if speed:
            time.sleep(line.delay_ms / 1000 / speed)
        write(at, line)
    ended = lines.value
    if form == "json":
        _print_json({"status": ended.status, "reason": ended.reason, "detail": ended.detail, "at_ms": ended.at_ms})
    sys.stdout.flush()
    screen.note(f"{ended.status}: {count} lines, {at / 1000:.1f} s at speed 1")
    return EXIT[ended.status]


def _writer(form: Form, screen: Screen) -> Callable[[int, Line], None]:
    if form == "json":
        return lambda at, line: _print_json(
            {"at_ms": at, "delay_ms": line.delay_ms, "line": line.text, "stream": line.stream}
            | {name: value for name, value in (("level", line.level), ("step", line.step)) if value}
        )
    if form == "timed":
        return lambda at, line: screen.line(line.text, f"{at / 1000:9.3f} {line.step or '':<14} ")
    return lambda _, line: screen.line(line.text)


def _print_json(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")

"""`deploytail logs --format asciicast`: a deploy's log is a recording that plays as the deploy did."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.client import LINE, Client, Message
from producer.keys import Keys
from producer.library import create_deploy, open_log
from producer.proof import Proof
from producer.status import Status, last_line
from producer.writer import Writer
from scripts.export import export
from tests.helpers import Service
from worker.actions import Cancel, End, Line, Returning
from worker.assemble import assemble
from worker.recording import play

START = 1711741200.125
DEPLOY = {
    "app_id": "shop",
    "deploy_id": "d1",
    "message": None,
    "source": "api",
    "queued_at": "2024-03-29T19:39:59Z",
    "started_at": "2024-03-29T19:40:00.125000Z",
}
HEADER = {"version": 3, "term": {"cols": 120, "rows": 40}, "timestamp": 1711741200, "title": "shop/d1"}


def exported(
    capfdbinary: pytest.CaptureFixture[bytes],
    messages: Iterator[Message] | list[Message],
    until: int | None = None,
    **deploy: Any,
) -> tuple[int, list[Any], str]:
    """The exit status, the recording as JSON, and what was said besides."""
    status = export(messages, DEPLOY | deploy, until)
    said = capfdbinary.readouterr()
    return status, [json.loads(line) for line in said.out.decode().splitlines()], said.err.decode()


class Log:
    """Makes up the messages of a log whose numbers and proof are right."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._proof = Proof()
        self.status("queued", 1, -1.0)
        self.status("building", 2, 0.0)

    def status(self, status: str, seq: int, seconds: float, **more: Any) -> None:
        """A status change, so many seconds after the start."""
        data = {"seq": seq, "ts": round(START + seconds, 3), "status": status} | more
        self.messages.append(Message("status", data, str(seq)))

    def line(self, seconds: float, line: str, **more: Any) -> None:
        """A line."""
        self._proof = self._proof.add(line)
        seq = self.last + 1
        self.messages.append(
            Message(LINE, {"seq": seq, "ts": round(START + seconds, 3), "line": line} | more, str(seq))
        )

    def gap(self, count: int, reason: str) -> None:
        """Events that are missing."""
        data = {"from": self.last + 1, "to": self.last + count, "reason": reason}
        self.messages.append(Message("gap", data, str(data["to"])))

    def end(self, seconds: float, status: Status, reason: str | None = None) -> list[Message]:
        """The last line and the end."""
        self.line(seconds, last_line(status, reason), stream="system")
        more = {"reason": reason} if reason else {}
        self.status(status, self.last + 1, seconds, lines=self._proof.lines, crc32=self._proof.crc32, **more)
        self.messages.append(Message("done", {}, str(self.last + 1)))
        return self.messages

    @property
    def last(self) -> int:
        """The last seq."""
        data = self.messages[-1].data
        return int(data.get("seq") or data["to"])


def test_a_log_is_exported_with_its_time_steps_and_end(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Each line at its own time, a step as a marker where it changes, the exit status at the end."""
    log = Log()
    log.line(0.5, "> \x1b[1mnpm ci\x1b[0m", step="install", stream="stdout")
    log.line(1.75, "10 %\r20 %", step="install")
    log.line(1.75, "é\u2028", step="build", level="warn", stream="stderr")
    log.line(1.5, "two\nlines")
    messages = log.end(2.0, Status.FAILED, "npm run build exited with status 2")
    assert exported(capfdbinary, messages, message="Fix \x1b", source="run") == (
        1,
        [
            HEADER | {"command": "Fix \x1b", "title": "shop/d1: Fix \x1b"},
            [0.5, "m", "install"],
            [0.0, "o", "> \x1b[1mnpm ci\x1b[0m\r\n"],
            [1.25, "o", "10 %\r20 %\r\n"],
            [0.0, "m", "build"],
            [0.0, "o", "é\u2028\r\n"],
            [0.0, "m", ""],
            [0.0, "o", "two␊lines\r\n"],
            [0.25, "o", "Deploy failed: npm run build exited with status 2\r\n"],
            [0.0, "x", "1"],
        ],
        "failed: 5 lines, verified\n",
    )


@pytest.mark.parametrize(
    ("ended", "status", "exit_event"),
    [(Status.COMPLETE, 0, "0"), (Status.FAILED, 1, "1"), (Status.CANCELLED, 3, "130")],
)
def test_the_end_is_an_exit_status(
    capfdbinary: pytest.CaptureFixture[bytes], ended: Status, status: int, exit_event: str
) -> None:
    """Ours is the one of `logs`, the recording's the one of a command."""
    found = exported(capfdbinary, Log().end(1.0, ended))
    assert (found[0], found[1][-1]) == (status, [0.0, "x", exit_event])


def test_a_gap_is_a_line_that_names_what_is_missing(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """In its place, and the status stays the deploy's own."""
    log = Log()
    del log.messages[1]
    log.gap(12, "trimmed")
    log.line(3.0, "late")
    log.gap(1, "lost")
    found = exported(capfdbinary, log.end(4.0, Status.COMPLETE))
    assert found == (
        0,
        [
            HEADER,
            [0.0, "o", "── events 2 to 13 are missing: trimmed\r\n"],
            [3.0, "o", "late\r\n"],
            [0.0, "o", "── events 15 to 15 are missing: lost\r\n"],
            [1.0, "o", "Deploy complete!\r\n"],
            [0.0, "x", "0"],
        ],
        "complete: 2 lines; 12 events trimmed, 1 event lost, not verifiable\n",
    )


def test_a_deploy_that_vanishes_has_no_end(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Its recording says so, and the log is not whole."""
    log = Log()
    log.messages.append(Message("gap", {"from": 3, "to": None, "reason": "lost"}, ""))
    log.messages.append(Message("done", {}, ""))
    assert exported(capfdbinary, log.messages) == (
        4,
        [HEADER, [0.0, "o", "── events from 3 on are lost: the deploy is no longer in the store\r\n"]],
        "the deploy vanished from the store: how it ended is not known\n",
    )


def test_a_log_that_is_not_whole_says_so(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A line that is missing without a word is told by the proof."""
    log = Log()
    log.line(1.0, "a")
    log.line(1.0, "b")
    messages = log.end(2.0, Status.COMPLETE)
    del messages[2]
    status, _, said = exported(capfdbinary, messages)
    assert (status, "NOT WHOLE" in said) == (4, True)


def test_an_unfinished_deploy_is_exported_as_far_as_it_goes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without an exit status, and it does not wait for more."""
    log = Log()
    log.line(1.0, "a")

    def messages() -> Iterator[Message]:
        yield from log.messages
        raise AssertionError("it waits for more")

    assert exported(capfdbinary, messages(), until=3) == (0, [HEADER, [1.0, "o", "a\r\n"]], "── not over yet\n")


def test_a_deploy_that_was_never_started_is_exported(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Its time starts when it was queued."""
    log = Log()
    log.messages.pop()
    found = exported(capfdbinary, log.end(1.0, Status.CANCELLED), started_at=None, message="Late")
    assert found[1] == [
        HEADER | {"timestamp": 1711741199, "title": "shop/d1: Late"},
        [2.125, "o", "Deploy failed: cancelled\r\n"],
        [0.0, "x", "130"],
    ]


@given(
    lines=st.lists(
        st.tuples(
            st.integers(0, 100_000),
            st.text(st.characters(codec="utf-8", exclude_characters="\n")),
            st.sampled_from([None, "build", "upload", "Übung 1"]),
        ),
        max_size=20,
    ),
    rest=st.integers(0, 10_000),
    ended=st.sampled_from([(Status.COMPLETE, None), (Status.FAILED, "crashed"), (Status.CANCELLED, None)]),
)
def test_an_exported_deploy_plays_as_it_was(
    lines: list[tuple[int, str, str | None]], rest: int, ended: tuple[Status, str | None]
) -> None:
    """The same lines, steps, delays in milliseconds, and end."""
    log, at_ms = Log(), 0
    for delay, line, step in lines:
        at_ms += delay
        log.line(at_ms / 1000, line, **({"step": step} if step else {}))
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("scripts.export._put", written.append)
        export(log.end((at_ms + rest) / 1000, *ended), DEPLOY)
    played = Returning(assemble(play("".join(written), Random(0))))
    assert list(played) == [
        *(Line(delay, line, step) for delay, line, step in lines),
        *([Cancel(rest)] if ended[0] is Status.CANCELLED else []),
    ]
    cancelled = ended[0] is Status.CANCELLED
    assert played.value == End("cancelled") if cancelled else End(ended[1], delay_ms=rest)


def test_a_real_deploy_is_exported(
    api: Service, valkey: str, keys: Keys, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """From the service, by its own client."""
    create_deploy(keys.app, keys.deploy, url=valkey)
    with open_log(keys.app, keys.deploy, url=valkey) as log:
        _write(log)
    with Client(api.url) as client:
        deploy = client.request("GET", f"/v1/apps/{keys.app}/deploys/{keys.deploy}")
        assert export(client.follow(keys.app, keys.deploy), deploy, until=deploy["last_seq"]) == 0
    said = capfdbinary.readouterr()
    header, *events = map(json.loads, said.out.decode().splitlines())
    assert said.err == b"complete: 3 lines, verified\n"
    assert header["title"] == f"{keys.app}/{keys.deploy}"
    assert [event[1:] for event in events] == [
        ["m", "build"],
        ["o", "one\r\n"],
        ["m", ""],
        ["o", "two\r\n"],
        ["o", "Deploy complete!\r\n"],
        ["x", "0"],
    ]
    assert 0.2 <= events[3][0] + events[2][0] < 2


def _write(log: Writer) -> None:
    log.write("one", step="build")
    log.wait(0.2)
    log.write("two")

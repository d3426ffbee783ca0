"""The soak runs clean, leaves nothing behind, and sees what breaks the promise."""

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.event import encode_line, encode_status
from producer.keys import Keys
from producer.proof import Proof
from producer.state import Snapshot, State
from producer.status import Status
from scripts.soaking.ledger import Deploy, Ledger, Record
from scripts.wire import Decoder, Event
from tests.faults import alive, descendants
from tests.helpers import ROOT, every_cut, wait_until

KEYS = Keys("soak", "d1")
COMPLETE = "Deploy complete!"
PROOF = Proof().add("one").add("two").add(COMPLETE)

STORED = [
    encode_status(1, 1.0, Status.QUEUED),
    encode_status(2, 2.0, Status.BUILDING),
    encode_line(3, 3.0, "one", "stdout"),
    encode_line(4, 4.0, "two", "stdout"),
    encode_line(5, 5.0, COMPLETE, "system"),
    encode_status(6, 6.0, Status.COMPLETE, proof=PROOF),
]


def stored(events: list[bytes], status: Status = Status.COMPLETE, first: int = 1, error: str | None = None) -> Snapshot:
    """The log of a deploy that has ended."""
    state = State(status, first + len(events) - 1, first, PROOF, "token", 1.0, error=error)
    return Snapshot(state, events)


def event(data: bytes) -> Event:
    """A stored event as a watcher gets it."""
    sequence = re.match(rb'\{"seq":(\d+)', data)
    assert sequence
    return Event("status" if b'"status"' in data else "message", data, sequence[1].decode())


def gap(first: int, to: int, reason: str = "trimmed") -> Event:
    """A gap as a watcher gets it."""
    return Event("gap", f'{{"from":{first},"to":{to},"reason":"{reason}"}}'.encode(), f"{to}")


EVENTS = [event(data) for data in STORED]
DONE = Event("done", b"{}", "7")


def told(events: list[Event], final: Snapshot) -> tuple[Ledger, Record]:
    """The ledger after a deploy has ended and a watcher was told this."""
    ledger = Ledger()
    deploy = Deploy(KEYS, ["one", "two"])
    record = Record(1, "plain", deploy)
    for each in events:
        record.take(*each)
    ledger.ended(deploy, final)
    ledger.finished(record)
    return ledger, record


def soak(*arguments: str) -> "subprocess.Popen[str]":
    """`./scripts/soak`, just started."""
    command = [str(ROOT / "scripts/soak"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_short_run_is_clean() -> None:
    """Under faults of its own no line is lost or doubled, every stream ends, and the table says so."""
    with soak("--seconds", "15", "--seed", "1") as process:
        out, err = process.communicate()
    table = dict(re.findall(r"^(\w[^\n]*?)  +(\S.*)$", out, re.MULTILINE))
    zeros = {name: table[name] for name in ("lines lost", "lines doubled", "streams left hanging", "other violations")}
    assert zeros == dict.fromkeys(zeros, "0"), out
    assert min(int(table[name].replace(",", "")) for name in ("deploys", "lines", "watchers", "faults")) > 0
    assert (process.returncode, err) == (0, "")


def test_an_interrupted_run_leaves_nothing() -> None:
    """On Ctrl-C everything that the soak has started ends, its data goes, and the exit status is 130."""
    with soak("--seconds", "60") as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().rpartition(" ")[2].strip())
        wait_until(lambda: len(descendants(process.pid)) > 6)  # Valkey, both replicas, the workers and their pool
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert (process.returncode, alive(started), folder.exists()) == (130, set(), False)


def test_a_whole_log_is_no_violation() -> None:
    """All events once, in order; or the exact gap of those that the cap has dropped, over two connections."""
    for events, final in (
        ([*EVENTS, DONE], stored(STORED)),
        ([gap(1, 3), *EVENTS[3:], DONE], stored(STORED[3:], first=4)),
    ):
        ledger, _ = told(events, final)
        assert (ledger.violations, ledger.lost, ledger.doubled) == ([], 0, 0)


@pytest.mark.parametrize(
    ("change", "lost", "doubled", "complaint"),
    [
        (lambda e: e[:3] + e[4:], 1, 0, "missing without a word"),
        (lambda e: e[:3] + e[2:], 0, 1, "came twice"),
        (lambda e: [*e[:2], e[3], e[2], *e[4:]], 2, 1, "missing without a word"),
        (
            lambda e: [*e[:2], event(encode_line(3, 3.0, "other", "stdout")), *e[3:]],
            0,
            0,
            "other bytes than are stored",
        ),
        (lambda e: [*e[:2], gap(3, 3), *e[3:]], 0, 0, "but 1 and on are stored"),
        (lambda e: [*e[:5], event(encode_status(6, 6.0, Status.FAILED, proof=PROOF)), e[6]], 0, 0, "not as complete"),
        (lambda e: [*e[:6], Event("done", b"{}", "9")], 0, 0, "the end has id 9"),
        (lambda e: [*e, e[0]], 0, 1, "after the end"),
    ],
    ids=["lost", "doubled", "swapped", "other bytes", "false gap", "other end", "other id", "after the end"],
)
def test_what_a_watcher_must_not_be_told_is_a_violation(
    change: Callable[[list[Event]], list[Event]], lost: int, doubled: int, complaint: str
) -> None:
    """Each way in which the promise can be broken towards a watcher is seen and counted."""
    ledger, _ = told(change([*EVENTS, DONE]), stored(STORED))
    assert (ledger.lost, ledger.doubled) == (lost, doubled)
    assert complaint in " ".join(ledger.violations)


@pytest.mark.parametrize(
    ("final", "own", "acknowledged", "complaint"),
    [
        (stored([*STORED[:3], STORED[4], *STORED[4:]]), False, 0, "event 4 is stored as"),
        (stored([*STORED[:3], encode_line(4, 4.0, "three"), *STORED[4:]]), False, 0, "not what was written"),
        (stored(STORED, Status.CANCELLED), False, 0, "nobody asked for it"),
        (stored(STORED, Status.FAILED, error="worker_lost"), True, 2, "though its writer lived"),
        (stored(STORED), True, 9, "9 lines were acknowledged"),
    ],
    ids=["other number", "other text", "cancelled by itself", "taken for dead", "acknowledged and lost"],
)
def test_what_must_not_be_stored_is_a_violation(final: Snapshot, own: bool, acknowledged: int, complaint: str) -> None:
    """Each way in which a stored log can differ from what was written is seen."""
    deploy = Deploy(KEYS, ["one", "two"], own=own)
    deploy.acknowledged = acknowledged
    assert complaint in " ".join(deploy.end(final))


def test_a_stream_is_read_whatever_its_pieces() -> None:
    """Chunks and events may be cut anywhere; comments and `retry` are passed over."""
    body = b"retry: 1000\nid: 1\ndata: {}\n\n: still here\nevent: done\nid: 2\ndata: {}\n\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:])) + b"0\r\n\r\n"
    for first, second in every_cut(chunks):
        decoder = Decoder()
        events = decoder.feed(first) + decoder.feed(second)
        assert (events, decoder.ended) == ([Event("message", b"{}", "1"), Event("done", b"{}", "2")], True)

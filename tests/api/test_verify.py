"""Verify: what a reader can prove of a log, and what it says to a person."""

from typing import Any

import pytest

from api.verify import Verifier
from producer.proof import Proof
from producer.status import Status


def line(seq: int, text: str = "x") -> dict[str, Any]:
    """A log line."""
    return {"seq": seq, "ts": 1.0, "line": text}


def proof(*lines: str) -> Proof:
    """The proof of these lines."""
    found = Proof()
    for text in lines:
        found = found.add(text)
    return found


def status(seq: int, name: str = "complete", proven: Proof | None = None, **more: Any) -> dict[str, Any]:
    """A status change."""
    told = {} if proven is None else proven._asdict()
    return {"seq": seq, "ts": 1.0, "status": name} | told | more


def gap(first: int, to: int | None, reason: str) -> dict[str, Any]:
    """A gap."""
    return {"from": first, "to": to, "reason": reason}


QUEUED, BUILDING = status(1, "queued"), status(2, "building")
START = [QUEUED, BUILDING]


def verify(*events: dict[str, Any]) -> Verifier:
    """A verifier that got these events."""
    verifier = Verifier()
    for event in events:
        take = verifier.line if "line" in event else verifier.changed if "status" in event else verifier.gap
        take(event)
    return verifier


def test_a_whole_log_is_verified() -> None:
    """Every event in order and the checksum right: whole, and it says how many lines."""
    lines = [f"line {number}" for number in range(1204)]
    events = [line(number + 3, text) for number, text in enumerate(lines)]
    verifier = verify(*START, *events, status(1207, "complete", proof(*lines)))
    assert (verifier.whole, verifier.status, verifier.flaw) == (True, Status.COMPLETE, None)
    assert verifier.summary() == "complete: 1,204 lines, verified"


@pytest.mark.parametrize(
    ("events", "whole", "summary"),
    [
        ([*START, line(3), status(4, "complete", proof("x"))], True, "complete: 1 line, verified"),
        ([QUEUED, status(2, "cancelled", proof())], True, "cancelled: 0 lines, verified"),
        (
            [*START, line(3, "Deploy failed: it broke"), status(4, "failed", proof("Deploy failed: it broke"))],
            True,
            "failed: 1 line, verified",
        ),
        # Honest gaps.
        (
            [gap(1, 12, "trimmed"), line(13), status(14, "complete", proof("x", "y"))],
            True,
            "complete: 1 line; 12 events trimmed, not verifiable",
        ),
        (
            [*START, gap(3, 3, "lagged"), line(4), gap(5, 1204, "lost"), status(1205, "complete", proof("x"))],
            True,
            "complete: 1 line; 1 event lagged, 1,200 events lost, not verifiable",
        ),
        # Taken back after a fail-over: what comes again is no doubling.
        (
            [*START, line(3), line(4), gap(3, 4, "lost"), line(3, "y"), status(4, "complete", proof("y"))],
            True,
            "complete: 3 lines; 2 events lost, not verifiable",
        ),
        # Flaws.
        (
            [*START, line(3), line(6), status(7, "complete", proof("x", "x"))],
            False,
            "complete: 2 lines, NOT WHOLE: events 4 to 5 are missing without a word",
        ),
        (
            [*START, gap(5, 6, "trimmed"), status(7, "complete", proof())],
            False,
            "complete: 0 lines, NOT WHOLE: events 3 to 4 are missing without a word",
        ),
        (
            [*START, line(3), line(3), status(4, "complete", proof("x", "x"))],
            False,
            "complete: 2 lines, NOT WHOLE: event 3 came twice or out of order",
        ),
        (
            [*START, line(4), line(3), status(5, "complete", proof("x", "x"))],
            False,
            "complete: 2 lines, NOT WHOLE: events 3 to 3 are missing without a word",
        ),
        (
            [*START, line(3), status(4, "complete", proof("y"))],
            False,
            (
                f"complete: 1 line, NOT WHOLE: got 1 lines with checksum {proof('x').crc32}, "
                f"but the deploy wrote 1 with {proof('y').crc32}"
            ),
        ),
        (
            [*START, line(3), status(4, "complete")],
            False,
            (
                f"complete: 1 line, NOT WHOLE: got 1 lines with checksum {proof('x').crc32}, "
                "but the deploy wrote -1 with -1"
            ),
        ),
        # No end.
        ([], False, "the deploy has no end: how it ended is not known"),
        ([*START, line(3)], False, "the deploy has no end: how it ended is not known"),
        (
            [*START, line(3), gap(4, None, "lost")],
            False,
            "the deploy vanished from the store: how it ended is not known",
        ),
    ],
)
def test_the_judgement_and_its_words(events: list[dict[str, Any]], whole: bool, summary: str) -> None:
    """What came decides whether the log is whole, and one line says it."""
    verifier = verify(*events)
    assert (verifier.whole, verifier.summary()) == (whole, summary)


def test_the_first_flaw_is_the_one_that_is_named() -> None:
    """What breaks first explains the rest."""
    verifier = verify(*START, line(5), line(3), status(9, "complete", proof()))
    assert verifier.flaw == "events 3 to 4 are missing without a word"


def test_the_reason_of_the_end_is_kept() -> None:
    """A terminal status may say why."""
    verifier = verify(*START, status(3, "failed", proof(), reason="worker_lost"))
    assert (verifier.status, verifier.reason) == (Status.FAILED, "worker_lost")


def test_what_the_server_says_to_who_knows_more_than_the_log_that_ended_is_no_flaw() -> None:
    """The wire's row for N ahead of a finished log, `gap{last+1...N, lost}` and the terminal status, is honest."""
    events = [*START, line(3), line(4), line(5), line(6), gap(5, 6, "lost"), status(4, "failed", proof("y"))]
    assert verify(*events).flaw is None

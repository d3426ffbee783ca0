"""The swarm's parts: what it draws, how it judges what a watcher is told, and how it keeps its books."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from producer.event import encode_line, encode_status
from producer.keys import Keys
from producer.proof import Proof
from producer.status import Status
from scripts.swarming import watching
from scripts.swarming.histogram import Histogram
from scripts.swarming.ledger import Deploy, Ledger, Standing
from scripts.swarming.messages import Report, Told, Watch
from scripts.swarming.plan import END, START, Join, Plan, Planned, UsageError, parse_mix
from scripts.swarming.scenes import course, need, size
from scripts.swarming.watching import Crowd
from scripts.swarming.witness import Witness
from scripts.wire import Event

PLAN = Plan(
    rate=10.0,
    deploys=None,
    seconds=300.0,
    mix=parse_mix("node:3,static:1"),
    faults=0.1,
    lines_rate=None,
    speed=1.0,
    watchers=2.5,
    apps=3,
    seed=1,
)

COMPLETE = "Deploy complete!"
PROOF = Proof().add("one").add("two").add(COMPLETE)


def event(data: bytes) -> Event:
    """A stored event as a watcher gets it."""
    sequence = re.match(rb'\{"seq":(\d+)', data)
    assert sequence
    return Event("status" if b'"status"' in data else "message", data, sequence[1].decode())


EVENTS = [
    *map(
        event,
        (
            encode_status(1, 1.0, Status.QUEUED),
            encode_status(2, 2.0, Status.BUILDING),
            encode_line(3, 3.0, "one", "stdout"),
            encode_line(4, 4.0, "two", "stdout"),
            encode_line(5, 5.0, COMPLETE, "system"),
            encode_status(6, 6.0, Status.COMPLETE, proof=PROOF),
        ),
    ),
    Event("done", b"{}", "7"),
]


def gap(first: int, to: int) -> Event:
    """A gap as a watcher gets it."""
    return Event("gap", f'{{"from":{first},"to":{to},"reason":"trimmed"}}'.encode(), f"{to}")


def told(events: list[Event], delays: Histogram | None = None, live_from: float = 0.0) -> Witness:
    """The witness that got these events, all at once, at 10 seconds."""
    witness = Witness()
    witness.take(events, 10.0, live_from, Histogram() if delays is None else delays)
    return witness


# ---- How a watcher is judged


@pytest.mark.parametrize("at_once", [True, False])
def test_a_whole_log_is_verified(at_once: bool) -> None:
    """Every event once and in order, whether it comes in one piece or event by event."""
    witness = told(EVENTS) if at_once else Witness()
    for each in () if at_once else EVENTS:
        witness.take([each], 10.0, 0.0, Histogram())
    assert (witness.flaw, witness.verified, witness.done, witness.lines) == (None, True, True, 3)
    assert (witness.told, witness.last_id) == (PROOF, "7")


def test_a_gap_is_honest_and_leaves_nothing_to_verify() -> None:
    """What the cap has dropped is told; there is no flaw, but no proof either."""
    witness = told([gap(1, 3), *EVENTS[3:]])
    assert (witness.flaw, witness.verified, witness.done, witness.lines) == (None, False, True, 2)
    assert (witness.gaps, witness.told) == (["trimmed"], PROOF)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda e: e[:3] + e[4:], "events 4 to 4 are missing without a word (came: event 2, message 3, message 5)"),
        (
            lambda e: e[:4] + e[3:],
            "event 4 came twice or out of order (came: message 3, message 4, message 4, message 5)",
        ),
        (lambda e: [*e[:2], e[3], e[2], *e[4:]], "events 3 to 3 are missing without a word"),
        (lambda e: [*e[:3], event(encode_line(4, 4.0, "2")), *e[4:]], "but the deploy wrote 3 with"),
        (lambda e: [*e[:3], e[3]._replace(id="9"), *e[4:]], "event 4 has id 9"),
        (lambda e: [*e[:3], e[3]._replace(data=e[4].data), *e[4:]], "event 5 has id 4"),
        (lambda e: [*e[:5], e[6]], "the stream ended without a terminal status"),
        (lambda e: [*e, e[4]], "something came after the end"),
        (lambda e: [*e[:3], e[3]._replace(data=b"{"), *e[4:]], "an event cannot be read"),
        (lambda e: [*e[:3], Event("news", b"{}", ""), *e[3:]], "there is no event 'news'"),
        (lambda e: [gap(2, 3), *e[3:]], "events 1 to 1 are missing without a word"),
    ],
    ids=[
        *("lost", "doubled", "swapped", "other text", "other id", "other number"),
        *("no end", "after the end", "unreadable", "unknown", "before a gap"),
    ],
)
def test_what_breaks_the_promise_is_seen(change: Callable[[list[Event]], list[Event]], flaw: str) -> None:
    """Each way to break it towards a watcher is named, with what was seen, and the log is not verified."""
    witness = told(change(EVENTS))
    assert flaw in (witness.flaw or "nothing")
    assert not witness.verified


def test_only_live_lines_are_timed() -> None:
    """What was written before the stream was open is catch-up, and says nothing of the delivery."""
    delays = Histogram()
    told(EVENTS, delays, live_from=3.5)
    assert len(delays) == 2
    assert delays.percentile(0.5) == pytest.approx(5.0, rel=0.011)
    assert delays.percentile(1.0) == pytest.approx(6.0, rel=0.011)


# ---- Histograms


def test_percentiles_are_within_what_is_promised() -> None:
    """Whatever was added, from microseconds to an hour, what it tells is within 1.1 % of it."""
    for seconds in (2e-6, 0.00123, 0.5, 1.0, 77.7, 3600.0):
        histogram = Histogram()
        histogram.add(seconds)
        assert histogram.percentile(1.0) == pytest.approx(seconds, rel=0.011)


def test_a_histogram_takes_no_more_memory_for_more() -> None:
    """A hundred thousand durations lie in a few buckets; what was added since is told by a difference."""
    before, histogram = Histogram(), Histogram()
    for number in range(100_000):
        histogram.add(number % 1000 / 1000)
        if number == 49_999:
            before = Histogram(histogram.counts)
    assert (len(histogram), len(histogram - before), len(histogram.counts) < 400) == (100_000, 50_000, True)
    assert histogram.percentile(0.5) == pytest.approx(0.5, rel=0.02)
    assert Histogram().percentile(0.5) is None


# ---- What is drawn


def test_a_seed_repeats_what_is_drawn() -> None:
    """The same seed draws the same deploys, another seed others; more watchers change nothing of what is played."""
    plan = list(PLAN.deploys_to_come())
    assert plan == list(PLAN.deploys_to_come())
    other = list(replace(PLAN, seed=2).deploys_to_come())
    assert [deploy.at for deploy in plan] != [deploy.at for deploy in other]
    assert [deploy.seed for deploy in plan[:20]] != [deploy.seed for deploy in other[:20]]
    crowded = list(replace(PLAN, watchers=9.0).deploys_to_come())
    assert [deploy._replace(joins=()) for deploy in plan] == [deploy._replace(joins=()) for deploy in crowded]


def test_what_is_drawn_is_as_asked_for() -> None:
    """Rate, weights, faults, apps and watchers come out on average."""
    plan = list(PLAN.deploys_to_come())
    count = len(plan)
    assert count == pytest.approx(10.0 * 300, rel=0.1)
    assert sum(deploy.scenario == "node" for deploy in plan) / count == pytest.approx(0.75, abs=0.05)
    assert sum(deploy.fault is not None for deploy in plan) / count == pytest.approx(0.1, abs=0.03)
    assert {deploy.app for deploy in plan} == {1, 2, 3}
    joins = [join.when for deploy in plan for join in deploy.joins]
    assert len(joins) / count == pytest.approx(2.5, rel=0.1)
    assert joins.count(START) / len(joins) == pytest.approx(0.6, abs=0.05)
    assert joins.count(END) / len(joins) == pytest.approx(0.15, abs=0.05)


def test_the_speed_of_a_deploy_is_what_the_plan_asks_for() -> None:
    """At `speed` it takes its own time, at `lines_rate` as long as its lines do; with a fault no longer than all do."""
    planned = Planned(1, 0.0, 1, "static", 5, None, ())
    lines, seconds = size("static", 5, None)
    assert course(PLAN, planned) == (1.0, seconds, lines)
    assert course(replace(PLAN, speed=0.0), planned) == (0.0, 0.0, lines)
    assert course(replace(PLAN, lines_rate=50.0), planned).seconds == pytest.approx(lines / 50)
    hanging = planned._replace(fault="hang")
    assert size("static", 5, "hang").seconds > 60
    assert course(replace(PLAN, seconds=20.0), hanging).seconds == pytest.approx(20.0)


def test_what_a_plan_needs_is_reckoned() -> None:
    """Deploys at a time and lines a second are as many as its rate, its scenarios and its watchers make."""
    plan = replace(PLAN, mix=parse_mix("static"), faults=0.0, lines_rate=20.0)
    needed = need(plan)
    assert needed.lines_in == pytest.approx(needed.busy * 20)
    assert needed.lines_out == pytest.approx(needed.lines_in * 2.5, rel=0.15)


@pytest.mark.parametrize(
    ("mix", "complaint"),
    [
        ("node:3,nope", "there is no scenario 'nope': there are static, node"),
        ("node:x", "'x' is not a weight: write node:3"),
        ("node:-1", "node:-1: give a weight of 0 or more"),
        ("node:0", "give some scenario a weight above 0"),
        ("node,node", "node comes twice"),
        ("", "there is no scenario ''"),
    ],
)
def test_a_wrong_mix_is_told(mix: str, complaint: str) -> None:
    """Each mistake has a sentence that says what to write."""
    with pytest.raises(UsageError, match=re.escape(complaint)):
        parse_mix(mix)


# ---- The books


def stored(lines: int, status: Status = Status.COMPLETE) -> Standing:
    """Where a deploy stands that has so many lines."""
    return Standing(status, None, Proof(lines, 17))


def through(lines: int, **changed: Any) -> Told:
    """What a watcher tells that is through with deploy 1, and got so many lines of 10."""
    plain: dict[str, Any] = {
        "status": Status.COMPLETE,
        "told_lines": 10,
        "told_crc32": 17,
        "verified": True,
        "left": False,
    }
    return Told(**plain | {"deploy": 1, "watcher": 7, "joined": START, "lines": lines, "flaw": None} | changed)


def ledger(watchers: int) -> tuple[Ledger, Deploy]:
    """A ledger with one deploy, which so many watch."""
    joins = [Join(START)] * watchers
    deploy = Deploy(Planned(1, 0.0, 1, "static", 5, None, tuple(joins)), Keys("swarm-1", "d1"), 2.0, joins[:])
    kept = Ledger()
    kept.ask(deploy, 0.0)
    kept.joined(deploy, joins)
    return kept, deploy


def test_a_deploy_is_forgotten_when_all_are_through() -> None:
    """Figures add up, whoever is quicker, the books or a watcher; of what is over only counts are kept."""
    kept, deploy = ledger(3)
    kept.take(through(10))
    kept.stands(deploy, stored(10), 1.0)
    kept.take(through(4, verified=False))
    kept.forget_those_through()
    assert kept.deploys
    kept.take(through(0, left=True))
    kept.forget_those_through()
    assert (kept.deploys, kept.lines, kept.due, kept.missing) == ({}, 10, 20, 6)
    assert (kept.through, kept.verified, kept.left, kept.violations) == (2, 1, 1, [])


@pytest.mark.parametrize("quicker", ["the books", "the watcher"])
def test_another_end_than_is_stored_is_a_violation(quicker: str) -> None:
    """What a watcher was told at the end is held against what is stored; deploy and watcher are named."""
    kept, deploy = ledger(1)
    if quicker == "the books":
        kept.stands(deploy, stored(10, Status.FAILED), 1.0)
    kept.take(through(10))
    if quicker == "the watcher":
        kept.stands(deploy, stored(10, Status.FAILED), 1.0)
    (violation,) = kept.violations
    assert violation == (
        "watcher 7 (from the start) of swarm-1/d1 (scenario static, seed 5): it was told complete with 10 lines and "
        "checksum 17, but stored is failed with 10 and 17"
    )


def test_what_does_not_end_is_overdue_after_its_time() -> None:
    """A deploy may play as long as its scenario takes, and queue as long as others move; a stream ends with it."""
    kept, deploy = ledger(1)
    assert (deploy.overdue(50, 0), bool(deploy.overdue(61, 0)), deploy.overdue(61, 50)) == (None, True, None)
    kept.stands(deploy, stored(3, Status.BUILDING), 100.0)
    assert (deploy.overdue(130, 100), deploy.overdue(133, 100)) == (None, "the deploy")
    kept.without_end(deploy)
    (violation,) = kept.violations
    assert violation == (
        "deploy swarm-1/d1 (scenario static, seed 5) has not ended: it is still building with 3 lines, "
        "though it plays for 2.0 s"
    )
    kept.stands(deploy, stored(10), 140.0)
    assert (deploy.overdue(160, 140), deploy.overdue(171, 140)) == (None, "a stream")


# ---- The watchers


def answer(*events: Event, ends: bool = True) -> bytes:
    """An answer with these events; one that does not end stays open."""
    body = b"retry: 1000\n" + b"".join(
        b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), at.encode(), data) for kind, data, at in events
    ).replace(b"event: message\n", b"")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if ends else b"")


def refusal(status: int) -> bytes:
    """An answer without a stream."""
    return b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status


class Service:
    """Gives one connection after the other one of these answers; `requests` are what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._serving: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer, and leave the connection to the client."""
        self._serving.append(asyncio.current_task())
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        said = self._answers.pop(0)
        if said:
            writer.write(said)
            with suppress(ConnectionError):
                await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def over(self) -> None:
        """Wait until every connection is."""
        await asyncio.gather(*filter(None, self._serving))


async def watched(service: Service, *, judged: bool | None = None) -> Report:
    """The report of a watcher of that service, when it is through or, `judged` or not, was sent away."""
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    async with server:
        crowd = Crowd(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base")
        crowd.take(Watch(1, "swarm-1", "d1", 7, START))
        listening = asyncio.ensure_future(crowd.keep_an_ear())
        async with asyncio.timeout(10):
            while not (report := crowd.report()).finished:
                await asyncio.sleep(0.01)
                if judged is not None and report.open and report.delivered:
                    await crowd.leave(judged=judged)
        listening.cancel()
        await service.over()
    return report


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watchers that wait for nothing long."""
    monkeypatch.setattr(watching, "_BACK_SECONDS", 0.01)
    monkeypatch.setattr(watching, "_SILENCE_SECONDS", 0.5)


@pytest.mark.usefixtures("hasty")
async def test_a_watcher_comes_back_until_it_has_the_end() -> None:
    """After an end that is none, a refusal and no answer at all, it goes on where it was; errors are counted."""
    service = Service(answer(*EVENTS[:4]), refusal(503), b"", answer(*EVENTS[4:]))
    report = await watched(service)
    (told,) = report.finished
    assert (told.flaw, told.verified, told.lines, told.told_lines) == (None, True, 3, 3)
    assert (report.reconnects, report.delivered, report.open) == (3, 3, 0)
    assert report.errors == {"a watcher got HTTP 503": 1, "a watcher got no answer": 1}
    asked = [request.splitlines() for request in service.requests]
    assert {lines[0] for lines in asked} == {b"GET /base/v1/apps/swarm-1/deploys/d1/logs/stream HTTP/1.1"}
    assert [b"Last-Event-ID: 4" in lines for lines in asked] == [False, True, True, True]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("answers", "flaw"),
    [
        ([refusal(404)], "its request was answered with HTTP status 404"),
        ([refusal(204)], "it was told that there is nothing more (204), but the end had not come"),
        ([answer(*EVENTS[:4], ends=False)], "no sign of life for 0.5 s"),
        ([answer(*EVENTS).replace(b"\r\n0\r\n", b"\r\nzero\r\n")], "the answer is not well-formed HTTP"),
    ],
    ids=["unknown", "nothing more", "silent", "not HTTP"],
)
async def test_what_a_service_must_not_answer_is_a_flaw(answers: list[bytes], flaw: str) -> None:
    """The watcher is through, and says what it was."""
    (told,) = (await watched(Service(*answers))).finished
    assert flaw in (told.flaw or "nothing")
    assert not told.left


@pytest.mark.parametrize("judged", [True, False])
async def test_a_stream_that_does_not_end_is_a_flaw_where_it_has_had_its_time(judged: bool) -> None:
    """Sent away after all deploys have ended, a watcher complains; on Ctrl-C it only leaves."""
    (told,) = (await watched(Service(answer(*EVENTS[:6], ends=False)), judged=judged)).finished
    complaint = "its stream has not ended though its deploy has; the last that came was event 6"
    assert (told.flaw, told.left, told.lines) == (complaint if judged else None, not judged, 3)

"""The buffered writer, on a real Valkey."""

# ruff: noqa: PT012 - that a `with` ends the deploy is what is tested, so the block has more than one statement

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import count
from typing import Any

import pytest
import redis

from producer import calls, outbox, writer
from producer.deploys import leave_live
from producer.errors import (
    AlreadyClaimed,
    DeployCancelled,
    DeployLogError,
    Fenced,
    Finished,
    StoreAway,
    StoreFull,
    UnknownDeploy,
)
from producer.event import encode_line
from producer.keys import LIVE, Keys
from producer.proof import Proof
from producer.status import Status
from producer.store import Store
from producer.writer import Writer
from tests.helpers import wait_until
from tests.producer.support import (
    TS,
    LossyStore,
    Valkey,
    bring_to,
    build,
    claim,
    create,
    entries_of,
    everything,
    fields_of,
    listening,
    reap,
    state_of,
)

END = "Deploy complete!"


@contextmanager
def opened(store: Store, keys: Keys, **options: Any) -> Iterator[Writer]:
    """A writer of a deploy that is queued, or is created; it is closed at the end, but ends no deploy by itself."""
    if not store.client.exists(keys.state):
        create(store, keys)
    log = Writer(store, keys, token="token", clock=lambda: TS, **options)
    try:
        yield log
    finally:
        log.close()


def write_until_refused(log: Writer) -> None:
    """Write on until an error says that it cannot be."""

    def write() -> bool:
        log.write("more")
        return False

    wait_until(write)


class GatedStore(Store):
    """A store whose appends wait until they may go."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.go = threading.Event()

    def run(self, procedure: Any) -> Any:
        """As the store."""
        if procedure.__name__ == "append":
            assert self.go.wait(20)
        return super().run(procedure)


def lines_of(store: Store, keys: Keys) -> list[str]:
    """The text of the log lines."""
    events = map(json.loads, entries_of(store, keys))
    return [event["line"] for event in events if "line" in event]


def seqs_of(store: Store, keys: Keys) -> list[int]:
    """The numbers of the cached events."""
    return [json.loads(entry)["seq"] for entry in entries_of(store, keys)]


def proof_of(texts: list[str]) -> Proof:
    """The proof of these lines."""
    proof = Proof()
    for text in texts:
        proof = proof.add(text)
    return proof


def assert_ended(store: Store, keys: Keys, expected: list[str], status: Status, reason: str | None = None) -> None:
    """The log has these lines, numbered without a hole, and one terminal event, last, with their proof."""
    events = [json.loads(entry) for entry in entries_of(store, keys)]
    state = state_of(store, keys)
    assert [event["line"] for event in events if "line" in event] == expected
    assert [event["seq"] for event in events] == list(range(1, len(expected) + 4))
    statuses = [event["status"] for event in events if "status" in event]
    assert statuses == ["queued", "building", status]
    last = events[-1]
    assert (last["status"], last.get("reason"), last["lines"], last["crc32"]) == (status, reason, *proof_of(expected))
    assert (state.status, state.error, state.seq, state.proof) == (status, reason, last["seq"], proof_of(expected))
    assert store.client.zscore(LIVE, keys.member) is None


# a deploy's life


def test_a_log_is_written_in_order_and_ends(store: Store, keys: Keys) -> None:
    """A clean exit of the `with` is a success."""
    create(store, keys)
    texts = [f"line {number}" for number in range(3_000)]
    with Writer(store, keys, token="token") as log:
        for text in texts:
            log.write(text)
        before = log.ended
    assert (before, log.ended) == (None, Status.COMPLETE)
    assert_ended(store, keys, [*texts, END], Status.COMPLETE)


def test_a_line_has_the_bytes_of_the_contract(store: Store, keys: Keys) -> None:
    """Bytes and text, with what is known of it; a line break in it is data; what is published is what is stored."""
    create(store, keys)
    with listening(store, keys) as heard, opened(store, keys) as log:
        log.write("a\nb\r\u2028", stream="stdout", level="info", step="build")
        log.write(b"\xffc")
        log.write("")
        log.flush(5)
    expected = [
        encode_line(3, TS, "a\nb\r\u2028", "stdout", "info", "build"),
        encode_line(4, TS, "\ufffdc"),
        encode_line(5, TS, ""),
    ]
    assert entries_of(store, keys)[2:] == heard[1:] == expected


def test_a_single_line_is_stored_without_waiting_for_more(store: Store, keys: Keys) -> None:
    """An idle log has no added delay: well under the time between two signs of life."""
    with opened(store, keys) as log:
        beat = state_of(store, keys).beat
        wait_until(lambda: state_of(store, keys).beat != beat)  # so the next sign of life is half a second away
        log.write("a")
        log.flush(0.3)
        assert lines_of(store, keys) == ["a"]


def test_an_idle_writer_shows_signs_of_life(store: Store, keys: Keys) -> None:
    """Its beat rises, with no event."""
    with opened(store, keys):
        beat = int(state_of(store, keys).beat)
        wait_until(lambda: int(state_of(store, keys).beat) >= beat + 2, 3)
    assert seqs_of(store, keys) == [1, 2]


def test_many_threads_may_write(store: Store, keys: Keys) -> None:
    """Each line once, the lines of each thread in its order."""
    create(store, keys)
    with Writer(store, keys, token="token") as log:

        def write(name: str) -> None:
            for number in range(200):
                log.write(f"{name} {number}")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = lines_of(store, keys)[:-1]
    assert {name: [line for line in found if line.startswith(name)] for name in "abcd"} == {
        name: [f"{name} {number}" for number in range(200)] for name in "abcd"
    }
    assert_ended(store, keys, [*found, END], Status.COMPLETE)


def test_an_exception_fails_the_deploy(store: Store, keys: Keys) -> None:
    """As crashed; its kind and first line are the detail, and a line of the log. It is not swallowed."""
    create(store, keys)
    with pytest.raises(RuntimeError), Writer(store, keys, token="token") as log:
        log.write("a")
        raise RuntimeError("it broke\nin two")
    detail = "RuntimeError: it broke"
    assert_ended(store, keys, ["a", detail, "Deploy failed: crashed"], Status.FAILED, "crashed")
    assert state_of(store, keys).detail == detail


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), None),
        (SystemExit(3), "SystemExit: 3"),
        (MemoryError(), "MemoryError"),
        (ValueError("bad \ud800"), "ValueError: bad \ufffd"),
    ],
    ids=repr,
)
def test_whatever_ends_the_job_ends_the_deploy(
    store: Store, keys: Keys, error: BaseException, told: str | None
) -> None:
    """No exception leaves it building. That somebody stopped it is no crash."""
    create(store, keys)
    with pytest.raises(type(error)), Writer(store, keys, token="token"):
        raise error
    reason = "crashed" if told else "interrupted"
    assert_ended(store, keys, [*([told] if told else []), f"Deploy failed: {reason}"], Status.FAILED, reason)


def test_a_deploy_is_finished_once(store: Store, keys: Keys) -> None:
    """With a reason and a detail; a second finish, and the end of the `with`, change nothing."""
    create(store, keys)
    with Writer(store, keys, token="token") as log:
        log.finish(Status.FAILED, "tests failed", "3 of 7")
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, ["Deploy failed: tests failed"], Status.FAILED, "tests failed")
    assert state_of(store, keys).detail == "3 of 7"


def test_after_the_end_nothing_can_be_written(store: Store, keys: Keys) -> None:
    """It is said at once, not dropped in silence."""
    with opened(store, keys) as log:
        log.finish(Status.COMPLETE)
        acts: list[Callable[[], None]] = [lambda: log.write("more"), lambda: log.wait(0)]
        for act in acts:
            with pytest.raises(Finished, match="has ended: complete"):
                act()
    assert_ended(store, keys, [END], Status.COMPLETE)


def test_closed_without_a_finish_the_deploy_stays_building(store: Store, keys: Keys) -> None:
    """What was written is stored; the end is left to the reaper, who finds it."""
    with opened(store, keys) as log:
        log.write("a")
    assert (lines_of(store, keys), state_of(store, keys).status) == (["a"], Status.BUILDING)
    assert store.client.zscore(LIVE, keys.member) is not None


def test_after_a_close_a_line_is_refused(store: Store, keys: Keys) -> None:
    """Nobody would send it."""
    with opened(store, keys) as log:
        log.close()
        with pytest.raises(DeployLogError):
            log.write("lost")


def test_a_finish_after_a_close_does_not_pretend(store: Store, keys: Keys) -> None:
    """Either the deploy has its end, or an error is raised and the reaper still finds it."""
    with opened(store, keys) as log:
        log.close()
        try:
            log.finish(Status.COMPLETE)
        except DeployLogError:
            assert store.client.zscore(LIVE, keys.member) is not None
        else:
            assert_ended(store, keys, [END], Status.COMPLETE)


@pytest.mark.parametrize("status", [Status.BUILDING, Status.COMPLETE, Status.CANCELLED])
def test_a_deploy_is_opened_once(store: Store, keys: Keys, status: Status) -> None:
    """The same job delivered twice is refused, and so is a deploy that has ended."""
    bring_to(store, keys, status)
    before = everything(store, keys)
    with pytest.raises(AlreadyClaimed if status is Status.BUILDING else Finished):
        Writer(store, keys, token="token")
    assert everything(store, keys) == before


def test_an_unknown_deploy_cannot_be_opened(store: Store, keys: Keys) -> None:
    """It has to be created first."""
    with pytest.raises(UnknownDeploy):
        Writer(store, keys, token="token")


def test_a_time_limit_is_set(store: Store, keys: Keys) -> None:
    """It is there for those who end the deploy from outside."""
    with opened(store, keys, time_limit=60):
        assert state_of(store, keys).deadline is not None


# secrets and content


def test_secrets_never_reach_redis(store: Store, keys: Keys) -> None:
    """Neither in a line, nor in the reason and the detail of a failure."""
    create(store, keys)
    with opened(store, keys, secrets=["hunter2", "pässwörd"]) as log:
        log.write("user:hunter2@host")
        log.write("x pässwörd y".encode())
        log.finish(Status.FAILED, "no access for hunter2", "with hunter2")
    found = b"".join(entries_of(store, keys)) + repr(fields_of(store, keys)).encode()
    assert lines_of(store, keys) == ["user:***@host", "x *** y", "Deploy failed: no access for ***"]
    assert b"hunter2" not in found


def test_a_secret_in_the_name_of_a_step_is_masked(store: Store, keys: Keys) -> None:
    """What is told of a line leaves the process with it."""
    with opened(store, keys, secrets=["hunter2"]) as log:
        log.write("a", step="login hunter2", level="hunter2", stream="hunter2")
        log.flush(5)
    assert b"hunter2" not in entries_of(store, keys)[-1]


def test_secrets_of_known_shapes_never_reach_redis(store: Store, keys: Keys) -> None:
    """Nobody has to register them; neither in a line, nor in what is told of it, nor in why the deploy failed."""
    create(store, keys)
    token = "ghp_" + "a1B2" * 9
    with opened(store, keys) as log:
        log.write(f"token {token}", step=f"log in with {token}")
        log.finish(Status.FAILED, f"no access for {token}", "git clone https://ci:hunter2@git.example")
    found = b"".join(entries_of(store, keys)) + repr(fields_of(store, keys)).encode()
    assert lines_of(store, keys) == ["token ghp_***", "Deploy failed: no access for ghp_***"]
    assert (b"a1B2" in found, b"hunter2" in found, b"log in with ghp_***" in found) == (False, False, True)


def test_a_private_key_is_masked_line_by_line(store: Store, keys: Keys) -> None:
    """In its stream and step; what others write meanwhile is shown."""
    name = "PRIVATE " + "KEY"
    lines = [(f"-----BEGIN {name}-----", None), ("aB3+" * 16, None), ("tests pass", "test"), ("aB3=", None)]
    with opened(store, keys) as log:
        for line, step in [*lines, (f"-----END {name}-----", None), ("done", None)]:
            log.write(line, step=step)
        log.flush(5)
    expected = [f"-----BEGIN {name}-----", "***", "tests pass", "***", f"-----END {name}-----", "done"]
    assert lines_of(store, keys) == expected


def test_output_in_chunks_becomes_lines(store: Store, keys: Keys) -> None:
    """With what is known of them; a secret that is split over two writes is masked, and no unfinished line is lost."""
    create(store, keys)
    with Writer(store, keys, token="token", secrets=["hunter2"]) as log:
        with redirect_stdout(log.output(step="build", level="info")):
            print("password is hun", end="")  # noqa: T201 - what is tested
            print("ter2!")  # noqa: T201
        error = log.output("stderr")
        error.write(b"caf\xc3")
        error.write(b"\xa9\nno end")
    events = [json.loads(entry) for entry in entries_of(store, keys)]
    told = [(event["line"], event.get("stream"), event.get("step"), event.get("level")) for event in events[2:-1]]
    assert told == [
        ("password is ***!", "stdout", "build", "info"),
        ("café", "stderr", None, None),
        ("no end", "stderr", None, None),
        (END, "system", None, None),
    ]


def test_an_unfinished_line_comes_before_the_error_that_ended_the_job(store: Store, keys: Keys) -> None:
    """So the log tells what happened in its order."""
    create(store, keys)
    with pytest.raises(RuntimeError), Writer(store, keys, token="token") as log:
        log.output().write("half a li")
        raise RuntimeError("boom")
    assert lines_of(store, keys) == ["half a li", "RuntimeError: boom", "Deploy failed: crashed"]


def test_an_output_refuses_what_the_log_refuses(store: Store, keys: Keys) -> None:
    """A job that only prints learns of a cancel too."""
    with opened(store, keys) as log:
        output = log.output()
        log.finish(Status.COMPLETE)
        with pytest.raises(Finished):
            output.write("a line\n")


def test_a_secret_across_the_cut_of_a_long_line_is_masked(store: Store, keys: Keys) -> None:
    """The mask sees the whole line; the cut comes after it."""
    with opened(store, keys, secrets=["s3cret-0123456789"]) as log:
        log.write("x" * (16_384 - 72) + "s3cret-0123456789" + "y" * 1_000)
        log.flush(5)
    (line,) = lines_of(store, keys)
    assert "s3c" not in line
    assert line.endswith("bytes left out]")


def test_a_step_that_is_not_text_does_not_break_the_log(store: Store, keys: Keys) -> None:
    """A lone surrogate in it is replaced, or the line is refused; the log's proof is right in both cases."""
    create(store, keys)
    with opened(store, keys) as log:
        with suppress(ValueError):
            log.write("a", step="\ud800")
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, lines_of(store, keys), Status.COMPLETE)


# back-pressure


@contextmanager
def job_that_writes(log: Writer, lines: list[str]) -> Iterator[tuple[threading.Thread, list[str]]]:
    """A job that writes, and what it has written so far; it is joined at the end."""
    written: list[str] = []

    def write() -> None:
        for line in lines:
            log.write(line)
            written.append(line)

    job = threading.Thread(target=write)
    job.start()
    yield job, written
    job.join(20)
    assert not job.is_alive()


@pytest.mark.parametrize(("constant", "bound", "size"), [("EVENTS", 5, 1), ("CHARACTERS", 5 * 3_000, 3_000)])
def test_a_full_buffer_makes_the_job_wait(
    own_valkey: Valkey,
    own_store: Store,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    constant: str,
    bound: int,
    size: int,
) -> None:
    """Redis hangs: after so many lines, or so much text, the job waits; Redis goes on, and so does the job."""
    monkeypatch.setattr(writer, f"BUFFER_{constant}", bound)
    options = {"buffer_events": bound} if constant == "EVENTS" else {}
    lines = [f"{number:0{size}}" for number in range(9)]
    with opened(own_store, keys, **options) as log:
        with own_valkey.paused():
            log.write("under way")
            wait_until(log._sender.items.empty)
            with job_that_writes(log, lines) as (job, written):
                wait_until(lambda: len(written) == 5)
                job.join(0.1)  # were it not made to wait, it would be done by now
                assert (job.is_alive(), written) == (True, lines[:5])
                os.kill(own_valkey.pid, signal.SIGCONT)
        log.finish(Status.COMPLETE)
    assert_ended(own_store, keys, ["under way", *lines, END], Status.COMPLETE)


# Redis away


def test_a_pause_of_redis_loses_nothing(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """Lines are accepted meanwhile, and arrive once each."""
    with opened(own_store, keys) as log:
        log.write("before")
        log.flush(5)
        with own_valkey.paused():
            for number in range(100):
                log.write(f"line {number}")
            with pytest.raises(StoreAway, match="has not taken"):
                log.flush(0.5)
        log.finish(Status.COMPLETE)
    assert_ended(own_store, keys, ["before", *(f"line {number}" for number in range(100)), END], Status.COMPLETE)


def test_a_restart_of_redis_with_its_data_loses_nothing(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """Killed, written to, and started again: the writer goes on from the last acknowledged event."""
    with opened(own_store, keys) as log:
        log.write("before")
        log.flush(5)
        own_valkey.kill()
        log.write("meanwhile")
        own_valkey.start()
        log.write("after")
        log.finish(Status.COMPLETE)
    assert_ended(own_store, keys, ["before", "meanwhile", "after", END], Status.COMPLETE)


def test_a_restart_of_redis_without_its_data_stops_the_writer(own_store: Store, keys: Keys) -> None:
    """The deploy is gone: it says so, and does not start anew at 1."""
    with opened(own_store, keys) as log:
        log.write("before")
        log.flush(5)
        own_store.client.flushall()
        with pytest.raises(UnknownDeploy):
            write_until_refused(log)
        with pytest.raises(UnknownDeploy):
            log.finish(Status.COMPLETE)
    assert own_store.client.keys("*") == []


def test_a_server_that_refuses_writes_for_a_while_loses_nothing(own_store: Store, keys: Keys) -> None:
    """Too few replicas, or a disk that is full: the writer waits, rather than dying in silence."""
    with opened(own_store, keys) as log:
        own_store.client.config_set("min-replicas-to-write", 1)
        log.write("a")
        try:
            with pytest.raises(StoreAway, match="has not taken"):
                log.flush(0.3)
            assert log._thread.is_alive()
        finally:
            own_store.client.config_set("min-replicas-to-write", 0)
        log.finish(Status.COMPLETE)
    assert_ended(own_store, keys, ["a", END], Status.COMPLETE)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_foresaw_reaches_the_job(store: Store, keys: Keys) -> None:
    """The sending thread never dies in silence: the finish raises, and the reaper still finds the deploy."""
    create(store, keys)

    class Broken(Store):
        """Raises what has no name of ours."""

        def run(self, procedure: Any) -> Any:
            """Create and claim pass."""
            if procedure.__name__ == "append":
                raise RuntimeError("not foreseen")
            return super().run(procedure)

    with opened(Broken(store.client), keys) as log:
        log.write("a")
        wait_until(lambda: not log._thread.is_alive())
        with pytest.raises((DeployLogError, RuntimeError)):
            log.finish(Status.COMPLETE)
    assert store.client.zscore(LIVE, keys.member) is not None


def test_it_gives_up_in_the_end(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """Writing, waiting, flushing and finishing all say so."""
    with opened(own_store, keys, give_up=0.2) as log:
        own_valkey.kill()
        log.write("a")
        acts: list[Callable[[], object]] = [
            log.flush,
            lambda: log.write("b"),
            lambda: log.wait(60),
            lambda: log.finish(Status.COMPLETE),
        ]
        for act in acts:
            with pytest.raises(StoreAway, match=r"gave up after 0\.\d s"):
                act()


def test_a_wait_ends_when_redis_was_away_for_too_long(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """A job that sleeps is woken."""
    with opened(own_store, keys, give_up=0.2) as log:
        own_valkey.kill()
        with pytest.raises(StoreAway):
            log.wait(60)


def test_in_a_hurry_it_gives_up_sooner(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """Who has to stop does not wait for five minutes; with Redis there a hurry changes nothing."""
    with opened(own_store, keys) as log:
        log.hurry(0.3)
        log.write("a")
        log.flush(5)
        own_valkey.kill()
        log.write("b")
        with pytest.raises(StoreAway, match="gave up"):
            log.flush(5)


def test_what_its_caller_left_out_of_a_line_is_told(store: Store, keys: Keys) -> None:
    """In the mark, however short the rest."""
    with opened(store, keys) as log:
        log.write("abc", omitted=7)
        log.flush(5)
    assert lines_of(store, keys) == ["abc … [line cut: 7 bytes left out]"]


def test_redis_away_at_the_opening_is_an_error(own_valkey: Valkey, own_store: Store, keys: Keys) -> None:
    """After the same limit."""
    own_valkey.kill()
    with pytest.raises(StoreAway, match="gave up"):
        Writer(own_store, keys, token="token", give_up=0.1)


@pytest.mark.parametrize("losses", [1, 2, 3])
def test_lost_replies_write_nothing_twice(store: Store, keys: Keys, losses: int) -> None:
    """The replies to the claim, to lines and to the end: each is asked for again, and is there once."""
    create(store, keys)
    lossy = LossyStore(store.client)
    lossy.losses = losses
    with opened(lossy, keys) as log:
        lossy.losses = losses
        log.write("a")
        log.flush(10)
        lossy.losses = losses
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, ["a", END], Status.COMPLETE)


# fail-over


class Backup:
    """The state and the log of a deploy as they are now, to go back to: a fail-over to a replica that was behind."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._dumps = {name: store.client.dump(name) for name in (keys.state, keys.log)}

    def restore(self) -> None:
        """Go back, in one transaction."""
        with self._store.client.pipeline() as pipeline:
            for name, dump in self._dumps.items():
                pipeline.delete(name)
                pipeline.execute_command("RESTORE", name, 0, dump)  # type: ignore[no-untyped-call]
            pipeline.execute()


def test_what_a_fail_over_lost_is_sent_again(store: Store, keys: Keys) -> None:
    """With the same numbers and the same bytes, although more was written meanwhile."""
    create(store, keys)
    clock = count(1_700_000_000)
    log = Writer(store, keys, token="token", clock=lambda: float(next(clock)))
    log.write("a")
    log.flush(5)
    backup = Backup(store, keys)
    with listening(store, keys) as heard:
        for text in "bcd":
            log.write(text)
        log.flush(5)
        backup.restore()
        log.write("e")
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, [*"abcde", END], Status.COMPLETE)
    assert heard == [*heard[:3], *heard[:3], *heard[6:]]
    assert heard[3:] == entries_of(store, keys)[3:]


def test_an_idle_writer_notices_a_fail_over(store: Store, keys: Keys) -> None:
    """By its next sign of life."""
    with opened(store, keys) as log:
        backup = Backup(store, keys)
        for text in "abc":
            log.write(text)
        log.flush(5)
        before = entries_of(store, keys)
        backup.restore()
        wait_until(lambda: entries_of(store, keys) == before, 5)
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, [*"abc", END], Status.COMPLETE)


def test_a_claim_that_a_fail_over_took_is_made_again(store: Store, keys: Keys) -> None:
    """The deploy is queued again: the writer claims it with the same event, and sends all its lines again."""
    create(store, keys)
    backup = Backup(store, keys)
    with opened(store, keys, time_limit=60) as log:
        for text in "abc":
            log.write(text)
        log.flush(5)
        before = entries_of(store, keys)
        backup.restore()
        wait_until(lambda: entries_of(store, keys) == before, 5)
        assert state_of(store, keys).deadline is not None
        log.write("d")
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, [*"abcd", END], Status.COMPLETE)


def test_a_fail_over_beyond_what_is_held_leaves_an_honest_hole(
    store: Store, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are missing, the rest is there, the deploy ends, and the proof is that of all lines."""
    monkeypatch.setattr(outbox, "RESEND_EVENTS", 2)
    with opened(store, keys) as log:
        backup = Backup(store, keys)
        for text in "abcde":
            log.write(text)
            log.flush(5)
        backup.restore()
        log.write("f")
        log.finish(Status.COMPLETE)
    assert (seqs_of(store, keys), lines_of(store, keys)) == ([1, 2, 6, 7, 8, 9, 10], [*"def", END])
    state = state_of(store, keys)
    assert (state.status, state.proof) == (Status.COMPLETE, proof_of([*"abcdef", END]))


def test_a_fail_over_to_another_writer_fences_this_one(store: Store, keys: Keys) -> None:
    """It may write nothing more."""
    create(store, keys)
    backup = Backup(store, keys)
    with opened(store, keys) as log:
        log.write("a")
        log.flush(5)
        backup.restore()
        claim(store, keys, "another")
        before = entries_of(store, keys)
        with pytest.raises(Fenced):
            write_until_refused(log)
        with pytest.raises(Fenced):
            log.finish(Status.COMPLETE)
    assert entries_of(store, keys) == before


# ended from outside


def test_a_cancel_reaches_the_job(store: Store, keys: Keys) -> None:
    """The next write raises, and the deploy ends as cancelled."""
    create(store, keys)
    with pytest.raises(DeployCancelled), Writer(store, keys, token="token") as log:
        log.write("a")
        assert not log.cancelled
        store.run(calls.cancel(keys, "canceller", TS))
        log.wait(20)
    assert log.cancelled
    assert_ended(store, keys, ["a", "Deploy failed: cancelled"], Status.CANCELLED, "cancelled")


def test_a_cancel_wakes_a_job_that_waits_for_room(store: Store, keys: Keys) -> None:
    """Not only the one that sleeps."""
    create(store, keys)
    gated = GatedStore(store.client)
    raised: list[BaseException] = []
    with opened(gated, keys, buffer_events=1) as log:
        log.write("a")
        wait_until(log._sender.items.empty)
        log.write("b")

        def write() -> None:
            try:
                log.write("c")
            except DeployCancelled as error:
                raised.append(error)

        job = threading.Thread(target=write)
        job.start()
        store.run(calls.cancel(keys, "canceller", TS))
        gated.go.set()
        job.join(5)
        assert (len(raised), job.is_alive()) == (1, False)


def test_a_job_may_take_a_cancel_in_its_own_time(store: Store, keys: Keys) -> None:
    """Without an exception it only shows; a success that races it stands."""
    with opened(store, keys, cancel_raises=False) as log:
        store.run(calls.cancel(keys, "canceller", TS))
        wait_until(lambda: log.cancelled)
        log.write("cleaning up")
        log.finish(Status.COMPLETE)
    assert_ended(store, keys, ["cleaning up", END], Status.COMPLETE)


def test_a_cancel_before_the_claim_is_known_at_once(store: Store, keys: Keys) -> None:
    """A writer that claims again after a fail-over is told too."""
    create(store, keys)
    store.client.hset(keys.state, "cancel", TS)
    with opened(store, keys) as log, pytest.raises(DeployCancelled):
        log.write("a")


def test_a_reaped_writer_stops(store: Store, keys: Keys) -> None:
    """It adds nothing to the end that another wrote, and its `with` raises no second error over the first."""
    create(store, keys)
    with pytest.raises(Finished, match="has ended: failed"), Writer(store, keys, token="token") as log:
        log.write("a")
        log.flush(5)
        _reap(store, keys)
        before = entries_of(store, keys)
        write_until_refused(log)
    assert entries_of(store, keys) == before


def _reap(store: Store, keys: Keys) -> None:
    """A reaper that looks and acts before the writer's next sign of life."""
    while not (seen := state_of(store, keys)).status.terminal:
        try:
            reap(store, keys, seen)
        except DeployLogError:
            continue
    store.run(leave_live(keys))


# Redis full


def test_a_full_redis_fails_the_deploy(own_store: Store, keys: Keys) -> None:
    """What is stored stays, what there is no room for is dropped, and the end says why."""
    create(own_store, keys)
    with pytest.raises(StoreFull), Writer(own_store, keys, token="token") as log:
        log.write("a")
        log.flush(5)
        own_store.client.config_set("maxmemory", 1)
        write_until_refused(log)
    assert_ended(own_store, keys, ["a", "Deploy failed: log_store_full"], Status.FAILED, "log_store_full")


def test_a_redis_that_is_full_at_the_end_fails_the_deploy(own_store: Store, keys: Keys) -> None:
    """The job is done before the sending thread has met the error: a log that lacks lines is no success."""
    create(own_store, keys)
    gated = GatedStore(own_store.client)
    gated.go.set()
    with pytest.raises(StoreFull), Writer(gated, keys, token="token") as log:
        log.write("a")
        log.flush(5)
        gated.go.clear()
        own_store.client.config_set("maxmemory", 1)
        for _ in range(2 * outbox.BATCH_EVENTS):
            log.write("b")
        threading.Timer(0.1, gated.go.set).start()
    assert_ended(own_store, keys, ["a", "Deploy failed: log_store_full"], Status.FAILED, "log_store_full")


def test_a_reply_that_was_lost_as_redis_filled_up_does_not_hide_the_end(own_store: Store, keys: Keys) -> None:
    """Lines that were stored unknown to the writer are not taken for its terminal event, and count in its proof."""
    create(own_store, keys)

    class FullAfterwards(GatedStore):
        """Loses the reply to the append that brings event 6, and is full from then on."""

        done = False

        def run(self, procedure: Any) -> Any:
            """As the store, until then."""
            answer = super().run(procedure)
            if not self.done and state_of(own_store, keys).seq >= 6:
                self.done = True
                own_store.client.config_set("maxmemory", 1)
                raise StoreAway("the reply was lost")
            return answer

    gated = FullAfterwards(own_store.client)
    with pytest.raises(StoreFull), Writer(gated, keys, token="token") as log:
        log.write("first")
        wait_until(log._sender.items.empty)
        for text in "abc":
            log.write(text)
        gated.go.set()
        log.flush(10)
    assert_ended(own_store, keys, ["first", *"abc", "Deploy failed: log_store_full"], Status.FAILED, "log_store_full")


def test_after_a_fail_over_to_a_full_redis_the_proof_is_right(own_store: Store, keys: Keys) -> None:
    """The lines that were lost, and that there is no room for, do not count."""
    create(own_store, keys)

    class FullWhenBehind(Store):
        """Is full from the moment on at which it has told the writer of a loss."""

        last = 0

        def run(self, procedure: Any) -> Any:
            """As the store, until then."""
            answer = super().run(procedure)
            if isinstance(answer, calls.Appended):
                if answer.seq < self.last:
                    own_store.client.config_set("maxmemory", 1)
                self.last = answer.seq
            return answer

    with pytest.raises(StoreFull), Writer(FullWhenBehind(own_store.client), keys, token="token") as log:
        backup = Backup(own_store, keys)
        for text in "abc":
            log.write(text)
        log.flush(5)
        backup.restore()
        log.wait(20)
    assert_ended(own_store, keys, ["Deploy failed: log_store_full"], Status.FAILED, "log_store_full")


def test_a_batch_is_bounded_and_all_of_it_arrives(store: Store, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """With small batches, in the order of writing."""
    monkeypatch.setattr(outbox, "BATCH_EVENTS", 7)
    create(store, keys)
    texts = [str(number) for number in range(100)]
    with Writer(store, keys, token="token") as log:
        for text in texts:
            log.write(text)
    assert_ended(store, keys, [*texts, END], Status.COMPLETE)


def test_a_dead_writer_left_a_deploy_that_another_may_not_just_open(store: Store, keys: Keys) -> None:
    """Only who has seen it dead for a whole lease may take it over."""
    build(store, keys)
    with pytest.raises(AlreadyClaimed):
        Writer(store, keys, token="token")

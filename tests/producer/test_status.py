"""The statuses, the transitions between them, and that the scripts in Redis know no others."""

from collections.abc import Callable

import pytest

from producer import calls
from producer.errors import AlreadyClaimed, DeployLogError, Finished, NotClaimed
from producer.keys import Keys
from producer.proof import Proof
from producer.status import TRANSITIONS, Status, last_line
from producer.store import Store
from tests.producer.support import (
    TS,
    WRITER,
    append,
    bring_to,
    claim,
    ending,
    everything,
    fields_of,
    lines,
    reap,
    state_of,
)

QUEUED, BUILDING, COMPLETE, FAILED, CANCELLED = Status


def test_the_transitions() -> None:
    """The whole table; what is terminal follows from it."""
    expected = {
        QUEUED: {BUILDING, FAILED, CANCELLED},
        BUILDING: {COMPLETE, FAILED, CANCELLED},
        COMPLETE: set(),
        FAILED: set(),
        CANCELLED: set(),
    }
    assert expected == TRANSITIONS
    assert [status for status in Status if status.terminal] == [COMPLETE, FAILED, CANCELLED]
    assert [str(status) for status in Status] == ["queued", "building", "complete", "failed", "cancelled"]


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        (COMPLETE, None, "Deploy complete!"),
        (COMPLETE, "ignored", "Deploy complete!"),
        (FAILED, "tests failed", "Deploy failed: tests failed"),
        (FAILED, None, "Deploy failed: unknown reason"),
        (FAILED, "", "Deploy failed: unknown reason"),
        (CANCELLED, "cancelled", "Deploy failed: cancelled"),
    ],
)
def test_the_last_line(status: Status, reason: str | None, line: str) -> None:
    """As the documentation of the endpoint shows it."""
    assert last_line(status, reason) == line


@pytest.mark.parametrize("status", [QUEUED, BUILDING])
def test_an_unfinished_deploy_has_no_last_line(status: Status) -> None:
    """It is an error to ask for it."""
    with pytest.raises(ValueError, match=status):
        last_line(status)


def _claim(store: Store, keys: Keys) -> None:
    claim(store, keys, "another")


def _claim_again(store: Store, keys: Keys) -> None:
    claim(store, keys)


def _append(store: Store, keys: Keys) -> None:
    append(store, keys, lines(state_of(store, keys).seq + 1, "a line"))


def _keep_alive(store: Store, keys: Keys) -> None:
    append(store, keys, lines(state_of(store, keys).seq + 1))


def _cancel(store: Store, keys: Keys) -> None:
    store.run(calls.cancel(keys, "canceller", TS))


def _end(status: Status) -> Callable[[Store, Keys], None]:
    def end(store: Store, keys: Keys) -> None:
        append(store, keys, ending(state_of(store, keys).seq + 1, status))

    return end


def _reap(status: Status) -> Callable[[Store, Keys], None]:
    def end(store: Store, keys: Keys) -> None:
        reap(store, keys, state_of(store, keys), status)

    return end


CALLS: dict[str, tuple[Callable[[Store, Keys], None], Status | None]] = {
    "claim": (_claim, BUILDING),
    "claim again": (_claim_again, BUILDING),
    "append": (_append, None),
    "keep alive": (_keep_alive, None),
    "append complete": (_end(COMPLETE), COMPLETE),
    "append failed": (_end(FAILED), FAILED),
    "append cancelled": (_end(CANCELLED), CANCELLED),
    "cancel": (_cancel, CANCELLED),
    "reap complete": (_reap(COMPLETE), COMPLETE),
    "reap failed": (_reap(FAILED), FAILED),
    "reap cancelled": (_reap(CANCELLED), CANCELLED),
}

# What a call does that leads to no new status, or is refused for another reason than the status.
SPECIAL: dict[tuple[str, Status], type[DeployLogError] | None] = {
    ("claim", BUILDING): AlreadyClaimed,
    ("claim again", BUILDING): None,
    # The reply to a claim may be lost for so long that its own writer has ended the deploy meanwhile.
    ("claim again", COMPLETE): None,
    ("claim again", FAILED): None,
    ("claim again", CANCELLED): None,
    ("cancel", BUILDING): None,  # it asks the writer to stop
    ("append", BUILDING): None,
    ("keep alive", BUILDING): None,
    ("append", QUEUED): NotClaimed,
    ("keep alive", QUEUED): NotClaimed,
    ("append complete", QUEUED): NotClaimed,
    ("append failed", QUEUED): NotClaimed,
    ("append cancelled", QUEUED): NotClaimed,
}


Errors = tuple[type[Exception], ...]


def _outcome(call: str, status: Status) -> tuple[Errors, Status]:
    """With what this call on a deploy in this status is refused, and the status afterwards."""
    target = CALLS[call][1]
    if (call, status) in SPECIAL:
        error = SPECIAL[call, status]
        return (error,) if error else (), status
    if status.terminal:
        return (Finished,), status
    if target in TRANSITIONS[status]:
        return (), target
    return (DeployLogError, ValueError), status


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("call", CALLS)
def test_the_scripts_agree_with_the_table(any_store: Store, keys: Keys, status: Status, call: str) -> None:
    """Each call on a deploy in each status does what the table allows, or is refused and changes nothing at all."""
    bring_to(any_store, keys, status)
    before = everything(any_store, keys)
    act, _ = CALLS[call]
    errors, afterwards = _outcome(call, status)
    if errors:
        with pytest.raises(errors):
            act(any_store, keys)
        assert everything(any_store, keys) == before
    else:
        act(any_store, keys)
    assert state_of(any_store, keys).status is afterwards
    if status.terminal:
        assert everything(any_store, keys) == before


@pytest.mark.parametrize("status", [COMPLETE, FAILED, CANCELLED])
def test_the_end_repeated_by_its_own_writer_changes_nothing(any_store: Store, keys: Keys, status: Status) -> None:
    """A terminal append whose reply was lost is sent again: it succeeds, and is there once."""
    bring_to(any_store, keys, status)
    before = everything(any_store, keys)
    batch = ending(3, status, "broken" if status is FAILED else None)
    assert append(any_store, keys, batch) == (4, False)
    assert everything(any_store, keys) == before
    assert fields_of(any_store, keys)["ended_by"] == WRITER
    assert state_of(any_store, keys).proof == Proof().add(last_line(status, "broken"))

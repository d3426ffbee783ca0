"""The few calls with which any program makes, writes and reads a deploy log."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import replace

from producer import calls
from producer.connect import UncheckedPool, connect, redis_url
from producer.deploys import Limits, Request
from producer.deploys import cancel_deploy as cancel
from producer.deploys import create_deploy as create
from producer.keys import Keys
from producer.mask import Mask
from producer.state import Snapshot
from producer.status import Status
from producer.store import Store
from producer.writer import Writer

_DEFAULT_LIMITS = Limits()
_PATIENCE_SECONDS = 1.0


def new_id() -> str:
    """A random deploy id."""
    return f"d{secrets.token_hex(8)}"


def new_token() -> str:
    """A random token, under which a transition is idempotent."""
    return secrets.token_hex(16)


def create_deploy(
    app: str,
    deploy: str | None = None,
    *,
    url: str | None = None,
    job: str | None = None,
    request: Request | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> str:
    """Create a queued deploy of `app`; return its id, a random one unless given.

    `job` is the id of the RQ job that will run it: with it a deploy whose job is lost, or breaks before it opens the
    log, is ended within seconds; without it only after the queue limit. `url` is the address of Redis, by default
    `DEPLOYTAIL_REDIS_URL` or that of a running `deploytail up`.
    Raises InvalidId, DeployExists, StoreAway.
    """
    deploy = new_id() if deploy is None else deploy
    keys = Keys(app, deploy)
    with connect(redis_url(url)) as client:
        request = request or Request()
        request = replace(request, job=job or request.job)
        procedure = create(keys, new_token(), time.time(), request, limits)
        Store(client).run(procedure)
    return deploy


def cancel_deploy(app: str, deploy: str, *, url: str | None = None) -> Status:
    """Ask for a cancel, and return the status after it: a queued deploy has ended, a building one is asked to stop.

    Raises InvalidId, UnknownDeploy, Finished, StoreAway.
    """
    with connect(redis_url(url)) as client:
        return Store(client).run(cancel(Keys(app, deploy), new_token(), time.time()))


def open_log(
    app: str,
    deploy: str,
    *,
    url: str | None = None,
    secrets: Iterable[str] | Mask = (),
    time_limit: int | None = None,
    cancel_raises: bool = True,
) -> Writer:
    """Become the writer of a queued deploy: use it in a `with`, which also ends the deploy.

    `secrets`, or a mask of them, are masked wherever they show, encoded too, as is all that has the shape of a
    well-known secret. Output that comes in chunks, not in lines, is written to the file `log.output()`. After
    `time_limit` seconds the deploy is ended from outside. A cancel makes the next `write` raise DeployCancelled, or
    with `cancel_raises` off only shows in `log.cancelled`.
    Raises InvalidId, UnknownDeploy, AlreadyClaimed, Finished, StoreAway.
    """
    # No retries in the client: the writer has its own, with a limit that suits a log. And little patience with one
    # reply: a writer that waits for one that got lost would show no sign of life.
    client = connect(
        redis_url(url),
        retries=0,
        pool=UncheckedPool,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
    )
    store = Store(client)
    try:
        return Writer(
            store,
            Keys(app, deploy),
            token=new_token(),
            secrets=secrets,
            time_limit=time_limit,
            cancel_raises=cancel_raises,
            owns_store=True,
        )
    except BaseException:
        store.client.close()
        raise


def read_log(app: str, deploy: str, after: int = 0, *, url: str | None = None) -> Snapshot:
    """The state and the cached events after seq `after`, in one atomic read.

    Raises InvalidId, UnknownDeploy, StoreAway.
    """
    with connect(redis_url(url)) as client:
        return Store(client).run(calls.snapshot(Keys(app, deploy), after))

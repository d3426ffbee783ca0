"""The logs that the soak writes itself: numbered lines, so that each can be looked for, at various rates."""

import threading
import time
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from producer.deploys import Limits
from producer.errors import DeployCancelled, DeployExists, DeployLogError, StoreAway
from producer.keys import Keys
from producer.library import create_deploy, open_log
from scripts.soaking.ledger import Deploy, text

_FLUSHED_LINES = 100


class Crash(Exception):
    """The job fails, as planned."""


class Plan(NamedTuple):
    """How a log is written: `rate` is in lines a second, 0 as fast as it goes; `cap` in events that are cached."""

    lines: int
    rate: float
    cap: int = 10_000
    crashes: bool = False


def draw(rng: Random) -> Plan:
    """Some plan: long and short, slow and fast, some far beyond their cap, some that crash."""
    crashes = rng.random() < 0.15
    return rng.choice(
        (
            Plan(rng.randint(0, 30), rng.uniform(5, 30), crashes=crashes),
            Plan(rng.randint(100, 400), rng.uniform(50, 150), crashes=crashes),
            Plan(rng.randint(300, 800), 200.0, cap=rng.randint(20, 200), crashes=crashes),
            Plan(rng.randint(300, 1500), 0.0, cap=rng.choice((50, 10_000)), crashes=crashes),
        )
    )


class Job(threading.Thread):
    """Writes one log. `stop` has it come to its end early; `complain` hears what must not happen."""

    def __init__(self, app: str, plan: Plan, redis_url: str, complain: Callable[[str], None]) -> None:
        super().__init__(name=f"job of {app}", daemon=True)
        self.plan = plan
        self.deploy: Deploy | None = None
        self.stopped = threading.Event()
        self._app = app
        self._redis_url = redis_url
        self._complain = complain

    def create(self, identity: str) -> Deploy:
        """Create the deploy, however often Redis has to be asked."""
        while True:
            try:
                create_deploy(self._app, identity, url=self._redis_url, limits=Limits(cap_events=self.plan.cap))
                break
            except DeployExists:
                break  # it was created, and only the answer was lost
            except StoreAway:
                time.sleep(0.1)
        plan = self.plan
        keys = Keys(self._app, identity)
        lines = [text(keys, number) for number in range(plan.lines)]
        self.deploy = Deploy(keys, lines, own=True, crashes=plan.crashes)
        return self.deploy

    def run(self) -> None:
        """Write it, from the claim to the end."""
        deploy = self.deploy
        if deploy is None:
            return
        try:
            self._write(deploy)
        except (Crash, DeployCancelled):
            pass
        except DeployLogError as error:
            # A cancel may have ended it from outside already.
            if not deploy.cancel_asked:
                self._complain(f"deploy {deploy.keys.member}: its writer met {error!r}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the soak has to tell it
            self._complain(f"deploy {deploy.keys.member}: its writer met {error!r}")

    def _write(self, deploy: Deploy) -> None:
        plan, written = self.plan, 0
        with open_log(deploy.keys.app, deploy.keys.deploy, url=self._redis_url) as log:
            while written < plan.lines and not self.stopped.is_set():
                if plan.rate:
                    log.wait(1 / plan.rate)
                log.write(deploy.lines[written], stream="stdout")
                written += 1
                if written % _FLUSHED_LINES == 0:
                    log.flush()
                    deploy.acknowledged = written
            log.flush()
            deploy.acknowledged = written
            if plan.crashes:
                raise Crash("as planned")

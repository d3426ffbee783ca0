"""`deploytail swarm`: many deploys and watchers at a given rate, with what comes of it shown and checked."""

import asyncio
import json
import math
import signal
import sys
from random import SystemRandom

from rich.console import Console
from rich.live import Live

from producer.errors import InvalidAddress, StoreAway
from scripts.embedded import EmbeddedError
from scripts.exits import EXIT_AWAY, EXIT_INTERRUPTED, EXIT_USAGE
from scripts.stack import StackError
from scripts.swarming import summary
from scripts.swarming.plan import DEFAULT_SECONDS, Plan, UsageError, parse_mix
from scripts.swarming.run import Swarm, SwarmError
from scripts.swarming.scenes import Need, need
from scripts.swarming.target import ServiceAway, Target, say, target
from scripts.swarming.totals import Recent
from scripts.swarming.view import live_table, progress

EXIT_KEPT, EXIT_BROKEN = 0, 1

_SHOW_SECONDS = 0.5
_TELL_SECONDS = 5.0
_MOST_WORKERS = 32
_SEEDS = 1_000_000


def swarm(
    *,
    rate: float,
    deploys: int | None,
    seconds: float | None,
    mix: str | None,
    faults: float,
    lines_rate: float | None,
    speed: float,
    watchers: float,
    apps: int,
    seed: int | None,
    direct: bool,
    as_json: bool,
    api: str | None,
    redis: str | None,
) -> int:
    """Run it; return the exit status: 0 where the promise was kept, 1 where it was broken.

    Raises BrokenPipeError where nobody reads what it prints.
    """
    try:
        plan = Plan(
            rate=rate,
            deploys=deploys,
            seconds=DEFAULT_SECONDS if deploys is None and seconds is None else seconds,
            mix=parse_mix(mix),
            faults=faults,
            lines_rate=lines_rate,
            speed=speed,
            watchers=watchers,
            apps=apps,
            seed=SystemRandom().randrange(_SEEDS) if seed is None else seed,
        )
        needed = need(plan)
        workers = min(_MOST_WORKERS, math.ceil(needed.busy * 1.5) + 1)
        with target(api, redis, direct=direct, workers=workers) as found:
            return asyncio.run(_run(plan, found, needed, direct=direct, as_json=as_json))
    except KeyboardInterrupt:
        say("interrupted: everything is stopped")
        return EXIT_INTERRUPTED
    except (UsageError, InvalidAddress) as error:
        say(f"deploytail: {error}")
        return EXIT_USAGE
    except BrokenPipeError:
        raise
    except (ServiceAway, StackError, EmbeddedError, StoreAway, SwarmError, OSError) as error:
        say(f"deploytail: {error}")
        return EXIT_AWAY


async def _run(plan: Plan, found: Target, needed: Need, *, direct: bool, as_json: bool) -> int:
    running = Swarm(plan, found, needed, direct=direct)
    _stop_on_signals(running)
    console = Console(stderr=True)
    recent = Recent(running.totals())
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show() -> None:
            now = running.totals()
            before = recent.since(now)
            if console.is_terminal:
                live.update(live_table(plan, running.ledger, now, before, _left(running)), refresh=True)
            else:
                say(progress(running.ledger, now, before))

        await running.run(show, _SHOW_SECONDS if console.is_terminal else _TELL_SECONDS)
    ledger, end, interrupted = running.ledger, running.totals(), running.stopping.is_set()
    if as_json:
        print(json.dumps(summary.as_json(plan, ledger, end, interrupted=interrupted), indent=2))
        say(summary.verdict(ledger, interrupted=interrupted))
    else:
        print(summary.table(plan, ledger, end))
        print(f"\n{summary.verdict(ledger, interrupted=interrupted)}")
    sys.stdout.flush()
    if interrupted:
        return EXIT_INTERRUPTED
    if not ledger.asked:
        raise SwarmError(f"no deploy was taken: {', '.join(ledger.refused)}")
    return EXIT_BROKEN if ledger.broken else EXIT_KEPT


def _stop_on_signals(running: Swarm) -> None:
    """The first signal has the swarm come to its end, the second leaves everything as it is."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def asked() -> None:
        if running.stopping.is_set() and task is not None:
            task.cancel()
        running.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)


def _left(running: Swarm) -> str:
    plan = running.plan
    if running.stopping.is_set():
        return "stopping"
    if not running.arriving:
        return "no more deploys come: waiting for the last to end"
    left = [f"{plan.seconds - running.elapsed:.0f} s"] if plan.seconds is not None else []
    left += [f"{plan.deploys - running.ledger.asked:,} deploys"] if plan.deploys is not None else []
    return f"{' or '.join(left)} left to come"

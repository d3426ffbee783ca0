"""Jobs that misbehave, run by a real worker: each opens the log of its deploy, and never comes to a proper end."""

import re
import signal
import time

from producer.library import open_log

_FOR_EVER = 600


def stuck(app_id: str, deploy_id: str) -> None:
    """Masks the alarm of its time limit and sleeps in C; the thread of its writer lives on."""
    with open_log(app_id, deploy_id, time_limit=1) as log:
        log.write("stuck")
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(_FOR_EVER)


def selfish(app_id: str, deploy_id: str) -> None:
    """Keeps the interpreter's lock for ever, so that no other thread of its process runs."""
    with open_log(app_id, deploy_id) as log:
        log.write("selfish")
        log.flush()
        re.match(r"(a|a)+$", "a" * 60 + "b")


def deaf(app_id: str, deploy_id: str) -> None:
    """Hears of a cancel, and goes on writing."""
    with open_log(app_id, deploy_id, cancel_raises=False) as log:
        while True:
            log.write("deaf")
            log.wait(0.05)


def raises(app_id: str, deploy_id: str) -> None:
    """Breaks."""
    with open_log(app_id, deploy_id) as log:
        log.write("about to break")
        raise ValueError("broken\nin two")

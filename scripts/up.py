"""`deploytail up`: everything in the foreground, until Ctrl-C."""

import signal
import sys
import threading
from types import FrameType

from scripts.embedded import EmbeddedError
from scripts.exits import EXIT_AWAY, EXIT_USAGE
from scripts.program import NAME
from scripts.stack import StackError, stack

_LOOK_SECONDS = 0.5


def up(*, redis_url: str | None, host: str, port: int | None, workers: int, verbose: bool) -> int:
    """Run until a signal comes, or until a part stops; return the exit status."""
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt  # asked twice: no more patience
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked)
    try:
        with stack(redis_url=redis_url, host=host, port=port, workers=workers, verbose=verbose, say=_say) as running:
            _say(f"\nReady. In another terminal:   {NAME} enqueue shop --watch")
            _say("Ctrl-C stops everything.")
            while not stop.wait(_LOOK_SECONDS):
                if name := running.dead():
                    raise StackError(f"the {name} has stopped: '{NAME} up --verbose' shows why")
            _say("\nStopping...")
    except (StackError, EmbeddedError, OSError) as error:
        print(f"deploytail: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, StackError) and error.already else EXIT_AWAY
    return 0


def _say(text: str) -> None:
    print(text, flush=True)

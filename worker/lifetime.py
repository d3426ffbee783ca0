"""Ties a process to the life of its parent, where the system can."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Have this process get SIGTERM when its parent dies. Call it first in the child.

    On Linux the tie is to the thread that forked, so fork from the main thread. Elsewhere this does nothing.
    """
    if _prctl is not None:
        parent = os.getppid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the tie was made
            os.kill(os.getpid(), signal.SIGTERM)

"""What a process costs, from /proc: processor time and resident memory."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_KIB = 1024


def cpu_ns(pids: Iterable[int]) -> int:
    """The processor time, user's and system's, that the live threads of these processes have used, in nanoseconds."""
    total = 0
    for pid in pids:
        for used in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(used.read_text().split()[0])
    return total


def resident(pids: Iterable[int]) -> int:
    """The resident memory of these processes, in bytes; what they share counts once for each."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * _KIB
    return total

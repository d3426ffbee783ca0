"""The exit statuses of the commands; those above 64 as sysexits has them."""

from producer.status import Status

EXIT = {Status.COMPLETE: 0, Status.FAILED: 1, Status.CANCELLED: 3}
EXIT_USAGE = 2
EXIT_NOT_WHOLE = 4
EXIT_AWAY = 69
EXIT_NOT_WRITTEN = 74
EXIT_INTERRUPTED = 130

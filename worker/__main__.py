"""`python -m worker`: the worker on its own."""

import logging
import os
import sys

from producer.connect import check_answers, redis_url
from producer.errors import InvalidAddress, NoAddress, StoreAway
from worker.service import run
from worker.settings import WorkerSettings


def main() -> int:
    """Work until a signal comes; 2 for wrong usage, 69 where Redis is away."""
    settings = WorkerSettings.from_command_line("python -m worker")
    try:
        url = redis_url(settings.redis_url)
        for address in dict.fromkeys((url, settings.queue_url or url)):
            check_answers(address)
    except (InvalidAddress, NoAddress, StoreAway) as error:
        print(f"deploytail: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidAddress) else 69
    # The jobs, in processes of their own, find the logs by the environment.
    os.environ["DEPLOYTAIL_REDIS_URL"] = url
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run(settings, url)
    return 0


if __name__ == "__main__":
    sys.exit(main())

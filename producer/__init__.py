"""The contract of a deploy log, as a library: how it lies in Redis, how it is written and read.

from producer import create_deploy, open_log

deploy = create_deploy("shop")             # status: queued
with open_log("shop", deploy) as log:      # status: building
    log.write("Installing dependencies...")
# "Deploy complete!", status: complete; on an exception "Deploy failed: crashed", status: failed
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.library import cancel_deploy, create_deploy, new_id, open_log, read_log

__all__ = ["cancel_deploy", "create_deploy", "new_id", "open_log", "read_log"]


def __getattr__(name: str) -> Any:
    # The pure modules of this package must not pay for importing redis.
    if name not in __all__:
        raise AttributeError(f"module 'producer' has no attribute {name!r}")
    from producer import library  # noqa: PLC0415 - on first use, see above

    return getattr(library, name)

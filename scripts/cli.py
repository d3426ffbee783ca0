"""The entry point: whatever goes wrong in a command, and whenever it is interrupted, it ends with one sentence."""

import sys

from scripts.exits import EXIT_INTERRUPTED, EXIT_NOT_WRITTEN


def main() -> int:
    """The command `deploytail`: returns, or exits with, its exit status."""
    try:
        # Imported here: that takes a while, in which Ctrl-C may come.
        from scripts.streams import make_whole

        make_whole()
        from scripts.deploys import app
        from scripts.edge import called

        try:
            return called(app)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:
        from scripts.edge import fail
        from scripts.streams import silence

        silence(sys.stdout)
        fail(f"{error.filename or 'cannot write'}: {error.strerror or error}", EXIT_NOT_WRITTEN)

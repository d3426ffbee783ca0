"""`python -m api`: the service on its own."""

import sys

from api.app import create_app
from api.processes import Supervisor, bind
from api.server import serve
from api.settings import ApiSettings
from producer.connect import redis_url, shown
from producer.errors import InvalidAddress, NoAddress


def main() -> int:
    """Serve until a signal comes; 2 for wrong usage, 69 where no Redis is named, or the address is taken."""
    settings = ApiSettings.from_command_line("python -m api")
    several = settings.processes > 1
    try:
        app = create_app(settings)
    except (InvalidAddress, NoAddress) as error:
        print(f"deploytail: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidAddress) else 69
    try:
        # With several, this one only keeps the port: it never listens.
        listener = bind(settings.host, settings.port, shared=several)
    except OSError as error:
        print(
            f"deploytail: cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "choose another with --host and --port",
            file=sys.stderr,
        )
        return 69
    host, port = listener.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    print(
        f"deploytail api on http://{shown_host}:{port}, logs in {shown(redis_url(settings.redis_url))}",
        flush=True,
    )
    if several:
        return Supervisor(settings, port).run()
    serve(app, settings, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())

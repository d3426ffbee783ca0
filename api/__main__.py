"""`python -m api`: the service on its own."""

import socket
import sys

from api.app import create_app
from api.server import serve
from api.settings import ApiSettings
from producer.connect import redis_url, shown
from producer.errors import InvalidAddress, NoAddress


def main() -> int:
    """Serve until a signal comes; 2 for wrong usage, 69 where no Redis is named, or the address is taken."""
    settings = ApiSettings.from_command_line("python -m api")
    try:
        app = create_app(settings)
    except (InvalidAddress, NoAddress) as error:
        print(f"deploytail: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidAddress) else 69
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
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
    serve(app, settings, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())

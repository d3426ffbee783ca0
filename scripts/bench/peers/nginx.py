"""Peers on nginx: Nchan with its messages in Redis or in memory, and a file."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.request import Request, urlopen

from scripts.bench import lines, processes
from scripts.bench.errors import CannotMeasure
from scripts.bench.peers.peer import Feed, LivePeer, Peer, new_deploy
from scripts.bench.peers.posts import PostFeed

_MODULE = "ngx_nchan_module.so"
_MESSAGES = 1_100_000  # kept of a channel: more than any case writes
_CONNECTIONS = 20_000
_READY_SECONDS = 10.0

_CONFIG = """
{user}
{module}
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/event-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 1h;
    keepalive_requests 100000000;
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /file/ {{ alias {folder}/files/; }}
        {server}
    }}
}}
"""
_NCHAN_SERVER = """
        location = /version { return 200 $nchan_version; }
        location ~ ^/sub/(.+)$ {
            nchan_subscriber eventsource;
            nchan_subscriber_first_message oldest;
            nchan_channel_id $1;
            %(redis)s
        }
        location ~ ^/pub/(.+)$ {
            nchan_publisher http;
            nchan_channel_id $1;
            %(redis)s
        }
"""


class Nginx(Peer):
    """One worker of nginx."""

    module = ""
    http = ""
    server = ""

    @classmethod
    def missing(cls) -> str | None:
        """Whether nginx is installed."""
        return None if _nginx() else "nginx is not installed"

    def start(self) -> processes.Process:
        """Start nginx on a configuration and folders of its own."""
        folder = self.folder
        (folder / "files").mkdir(parents=True, exist_ok=True)
        config = folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                # Its worker could not read our folder as another user.
                user="user root root;" if os.geteuid() == 0 else "",
                module=self.module,
                files=_CONNECTIONS,
                folder=folder,
                connections=_CONNECTIONS,
                http=self.http,
                port=self.port,
                server=self.server,
            )
        )
        command = [_nginx() or "nginx", "-p", f"{folder}", "-c", f"{config}", "-e", "stderr"]
        return processes.start(command, processes.clean_environment(), self.log)

    @property
    def folder(self) -> Path:
        """Where it keeps its files."""
        return self.rig.folder / self.name


class File(Nginx):
    """A finished log as a file of frames."""

    name = "file"
    title = "nginx, a file"

    def path(self, deploy: str) -> str:
        """The file of a deploy."""
        return f"/file/{deploy}"

    def filled(self, count: int) -> str:
        """Write the frames that deploytail would send."""
        deploy = new_deploy()
        now = time.time()
        frames = [b"id: %d\ndata: %s\n\n" % (n + 2, lines.event(n, lines.text(n), now)) for n in range(1, count + 1)]
        (self.folder / "files" / deploy).write_bytes(b"".join([*frames, b"event: done\ndata: {}\n\n"]))
        return deploy


class NchanMemory(Nginx, LivePeer):
    """Nchan, its messages in its own memory."""

    name = "nchan-memory"
    title = "Nchan in memory"
    upstream = redis = ""

    @classmethod
    def missing(cls) -> str | None:
        """Whether nginx and Nchan are installed."""
        if reason := super().missing():
            return reason
        return None if _module().exists() else f"Nchan is not installed ({_MODULE})"

    def start(self) -> processes.Process:
        """Start nginx with the module."""
        self.module = f"load_module {_module()};"
        self.http = f"""nchan_shared_memory_size 1g;
            nchan_message_buffer_length {_MESSAGES};
            nchan_message_timeout 10m;
            {self.upstream}"""
        self.server = _NCHAN_SERVER % {"redis": self.redis}
        return super().start()

    def path(self, deploy: str) -> str:
        """The subscriber location of a channel."""
        return f"/sub/{deploy}"

    def create(self, cached: int = 0) -> str:  # noqa: ARG002 - all channels keep enough
        """A channel comes to be when it is used."""
        self._await_ready()
        return new_deploy()

    @contextmanager
    def feed(self, deploy: str) -> Iterator[Feed]:
        """A publisher."""
        feed = PostFeed(self.port, f"/pub/{deploy}")
        try:
            yield feed
        finally:
            feed.close()

    def version(self) -> str:
        """The version of the module."""
        with urlopen(f"http://127.0.0.1:{self.port}/version", timeout=5) as answer:
            found: str = answer.read().decode().strip()
            return found

    def _await_ready(self) -> None:
        """Wait until it takes messages: it connects to Redis after it has begun to listen."""
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end:
            with suppress(OSError), urlopen(Request(f"http://127.0.0.1:{self.port}/pub/ready", b"{}"), timeout=5):
                return
            time.sleep(0.02)
        raise CannotMeasure(f"Nchan takes no messages: {processes.last_words(self.log)}")


class NchanRedis(NchanMemory):
    """Nchan, its messages in Redis."""

    name = "nchan-redis"
    title = "Nchan + Redis"

    def start(self) -> processes.Process:
        """Start it on the Redis of all."""
        self.upstream = f"upstream logs {{ nchan_redis_server {self.rig.redis_url}; }}"
        # Outside of a location it would be read, and not obeyed.
        self.redis = "nchan_redis_pass logs;"
        return super().start()

    def forget(self) -> None:
        """Have a fresh process, which has to read the messages from Redis."""
        self.__exit__(None, None, None)
        self.__enter__()
        self._await_ready()


@cache
def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@cache
def _module() -> Path:
    done = subprocess.run([_nginx() or "nginx", "-V"], capture_output=True, text=True, check=False)
    found = re.search(r"--modules-path=(\S+)", done.stderr)
    return Path(found[1] if found else "/usr/lib/nginx/modules") / _MODULE


def version() -> str | None:
    """The version of nginx, None where there is none."""
    if _nginx() is None:
        return None
    done = subprocess.run([_nginx() or "nginx", "-v"], capture_output=True, text=True, check=False)
    return done.stderr.strip().rpartition("/")[2]

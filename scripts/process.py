"""What all who start processes of this project need: a port for one, and its end."""

import socket
import subprocess


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Ask the process to end, and kill it where it has not after so many seconds; return when it is gone."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""The fault proxy does what the other tests lean on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults import FaultProxy, Faults
from tests.helpers import wait_until

DATA = bytes(range(256)) * 40


@contextmanager
def source(data: bytes, *, then_close: bool = True) -> Iterator[str]:
    """A server that sends `data` to who connects, and closes, or waits for the other side to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(data)
                    if not then_close:
                        connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def fetch(proxy: FaultProxy) -> list[bytes]:
    """All pieces that come through the proxy up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
        return pieces


@pytest.mark.parametrize("faults", [Faults(), Faults(single_bytes=True), Faults(delay=0.01)], ids=str)
def test_bytes_pass_unchanged(faults: Faults) -> None:
    """Whatever it does to their timing, the proxy changes no byte."""
    with source(DATA) as url, FaultProxy(url, faults) as proxy:
        assert b"".join(fetch(proxy)) == DATA


@pytest.mark.parametrize("count", [1, 100, len(DATA)])
def test_a_connection_ends_after_exactly_so_many_bytes(count: int) -> None:
    """`cut_after` lets so many bytes through, then ends the connection."""
    with source(DATA, then_close=False) as url, FaultProxy(url, Faults(cut_after=count)) as proxy:
        assert b"".join(fetch(proxy)) == DATA[:count]
        assert proxy.cuts == 1


def test_a_connection_is_cut_when_its_time_is_over() -> None:
    """`cut_every` ends a connection that the server would have kept open."""
    with source(DATA, then_close=False) as url, FaultProxy(url, Faults(cut_every=0.1)) as proxy:
        assert b"".join(fetch(proxy)) == DATA
        assert (proxy.connections, proxy.cuts) == (1, 1)


def test_all_connections_are_cut_on_demand() -> None:
    """`cut` ends each open connection at once."""
    with source(DATA, then_close=False) as url, FaultProxy(url) as proxy:
        thread = threading.Thread(target=fetch, args=(proxy,))
        thread.start()
        wait_until(lambda: proxy.connections == 1)
        proxy.cut()
        thread.join(5)
        assert not thread.is_alive()
        assert proxy.cuts == 1


def test_connections_are_refused_while_it_says_so() -> None:
    """`refuse` resets new connections, until it is taken back."""
    with source(DATA) as url, FaultProxy(url, Faults(refuse=True)) as proxy:
        with pytest.raises(ConnectionResetError):
            fetch(proxy)
        proxy.faults.refuse = False
        assert b"".join(fetch(proxy)) == DATA


def test_what_clients_send_is_remembered() -> None:
    """`requests` holds what came from the clients."""
    with source(DATA, then_close=False) as url, FaultProxy(url) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            wait_until(lambda: proxy.requests)
        assert proxy.requests == [b"GET / HTTP/1.0\r\n\r\n"]

"""All peers, by name."""

from scripts.bench.errors import CannotMeasure
from scripts.bench.peers.deploytail import Deploytail, TwoProcesses
from scripts.bench.peers.nginx import File, NchanMemory, NchanRedis
from scripts.bench.peers.peer import LivePeer, Peer
from scripts.bench.peers.python import FastAPI, Starlette
from scripts.bench.rig import Rig

PEERS: dict[str, type[Peer]] = {
    peer.name: peer for peer in (Deploytail, TwoProcesses, Starlette, FastAPI, NchanRedis, NchanMemory, File)
}
BARE = "bare"

LIVE = tuple(name for name, peer in PEERS.items() if issubclass(peer, LivePeer))
CATCH_UP = tuple(PEERS)

TITLES = {name: peer.title for name, peer in PEERS.items()} | {BARE: "bare pipeline"}


def missing(name: str) -> str | None:
    """Why this peer cannot take part here, or None."""
    return PEERS[name].missing() if name in PEERS else None


def peer(name: str, rig: Rig) -> Peer:
    """A peer, not running yet."""
    return PEERS[name](rig)


def live(name: str, rig: Rig) -> LivePeer:
    """A peer whose logs can be written while they are streamed, not running yet. Raises CannotMeasure."""
    found = PEERS[name](rig)
    if not isinstance(found, LivePeer):
        raise CannotMeasure(f"{name} has no live streams")
    return found

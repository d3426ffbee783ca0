"""What can go wrong with a deploy log, named by cause."""


class DeployLogError(Exception):
    """Base of every error that this package raises on purpose."""


class InvalidId(DeployLogError, ValueError):
    """An app or deploy id that does not match the one pattern for ids."""


class InvalidAddress(DeployLogError, ValueError):
    """A Redis address that cannot be used."""


class NoAddress(DeployLogError):
    """No Redis is named, and no `deploytail up` runs."""


class DeployExists(DeployLogError):
    """The deploy id is in use already."""


class UnknownDeploy(DeployLogError):
    """Nobody created this deploy, or it has expired."""


class AlreadyClaimed(DeployLogError):
    """Another writer has this deploy, so the job was delivered twice."""


class NotClaimed(DeployLogError):
    """The deploy has no writer: a fail-over took the claim back. Claim again, then send again."""


class Fenced(DeployLogError):
    """Another writer took this deploy over; this one may write nothing more."""


class Finished(DeployLogError):
    """The deploy has ended; nothing can be added to it."""


class Moved(DeployLogError):
    """The deploy changed between the look and the call; look again."""


class StoreAway(DeployLogError):
    """Redis does not answer: it is down, still loading, or out of reach."""


class StoreFull(DeployLogError):
    """Redis is out of memory and evicts nothing."""


class StoreRefused(DeployLogError):
    """Redis refuses a command, for a reason that waiting does not cure."""


class StoreCorrupt(DeployLogError):
    """A key holds something that this package did not put there."""


class DeployCancelled(DeployLogError):
    """Somebody asked for the deploy to be cancelled; the job should stop."""

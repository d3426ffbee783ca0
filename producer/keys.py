"""Valid ids, and every key and channel name: built here and nowhere else."""

import re
from typing import Self

from producer.errors import InvalidId

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
LIVE = "deploys:live"

_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z", re.ASCII)


def check_id(kind: str, value: str) -> str:
    """Return `value` when it is a valid id of `kind` ("app" or "deploy"); raise InvalidId otherwise."""
    if not _ID.match(value):
        shown = value if len(value) <= 80 else value[:77] + "..."
        raise InvalidId(
            f"{kind} id {shown!r} is not valid: use 1 to 64 letters, digits, '_' or '-', "
            "and start with a letter or a digit"
        )
    return value


def app_index(app: str) -> str:
    """The sorted set of an app's deploys, scored by their time of creation."""
    return f"app:{app}:deploys"


class Keys:
    """The names under which one deploy lies in Redis.

    One hash tag, `{APP/DEPLOY}`, keeps them on one node of a cluster. Raises InvalidId.
    """

    __slots__ = ("app", "deploy", "events", "log", "state")

    def __init__(self, app: str, deploy: str) -> None:
        self.app = check_id("app", app)
        self.deploy = check_id("deploy", deploy)
        tag = f"deploy:{{{app}/{deploy}}}"
        self.log = f"{tag}:log"
        self.state = f"{tag}:state"
        self.events = f"{tag}:events"

    @property
    def member(self) -> str:
        """The deploy as a member of `LIVE`."""
        return f"{self.app}/{self.deploy}"

    @classmethod
    def from_member(cls, member: str) -> Self:
        """The keys of a member of `LIVE`; raises InvalidId where it is not one of ours."""
        app, _, deploy = member.partition("/")
        return cls(app, deploy)

    def __repr__(self) -> str:
        return f"Keys({self.member})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self.member == other.member

    def __hash__(self) -> int:
        return hash(self.member)

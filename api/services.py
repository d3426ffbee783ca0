"""What the endpoints work with; the application wires it once."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from api.hub import Hub
from api.limits import Slots
from api.queue import DeployQueue
from api.settings import ApiSettings
from api.watcher import Watchers
from producer.keys import ID_PATTERN
from producer.store import AsyncStore


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one process."""

    settings: ApiSettings
    store: AsyncStore
    queue: DeployQueue
    hub: Hub
    watchers: Watchers
    slots: Slots


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(_services)]
AppId = Annotated[str, Path(pattern=ID_PATTERN, title="App Id")]
DeployId = Annotated[str, Path(pattern=ID_PATTERN, title="Deploy Id")]

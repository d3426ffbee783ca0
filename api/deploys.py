"""The deploy endpoints: queue, show, list, cancel."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api import schemas
from api.body import route_decoding
from api.errors import QueueAway
from api.schemas import Cancelled, Deploy, DeployList, DeployQueued, DeployRequest, ErrorResponse
from api.services import AppId, DeployId, Services, ServicesOf
from producer.deploys import (
    cancel_deploy,
    create_deploy,
    end_deploy,
    list_deploys,
    states,
)
from producer.errors import DeployLogError, UnknownDeploy
from producer.keys import Keys
from producer.library import new_id, new_token
from producer.status import Status

router = APIRouter(prefix="/v1/apps/{app_id}", tags=["Apps"], route_class=route_decoding(DeployRequest))

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "Bad Request"},
    401: {"model": ErrorResponse, "description": "Unauthorized"},
    403: {"model": ErrorResponse, "description": "Forbidden"},
    404: {"model": ErrorResponse, "description": "Not Found"},
    500: {"model": ErrorResponse, "description": "Internal Server Error"},
}
AWAY: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorResponse, "description": "Redis is away: come back after `Retry-After` seconds"}
}
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": ErrorResponse, "description": "Conflict"}}


@router.post("/deploy", status_code=202, responses=ERRORS | CONFLICT | AWAY, summary="Deploy an App")
async def deploy_app(request: Request, app_id: AppId, body: DeployRequest, services: ServicesOf) -> DeployQueued:
    """Queue a simulated deploy of the app."""
    keys = Keys(app_id, body.deploy_id or new_id())
    job = new_token()
    caller = request.client.host if request.client else None
    wanted = schemas.request(body, job, caller)
    await services.store.run(create_deploy(keys, new_token(), time.time(), wanted, services.settings.limits))
    simulate = body.simulate.model_dump(exclude_none=True)
    arguments = {"app_id": keys.app, "deploy_id": keys.deploy, **simulate}
    try:
        await services.queue.enqueue(job, arguments)
    except QueueAway:
        await _never_started(services, keys)
        raise
    return DeployQueued(
        app_id=keys.app,
        deploy_id=keys.deploy,
        status=Status.QUEUED,
        environment=body.environment,
        message=body.message,
    )


@router.get("/deploys", responses=ERRORS | AWAY, summary="List deploys")
async def list_app_deploys(
    app_id: AppId, services: ServicesOf, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> DeployList:
    """The app's deploys that are still kept, newest first."""
    found = await services.store.run(list_deploys(app_id, limit, time.time()))
    return DeployList(deploys=[schemas.deploy(keys, state) for keys, state in found])


@router.get("/deploys/{deploy_id}", responses=ERRORS | AWAY, summary="Get a deploy")
async def get_deploy(app_id: AppId, deploy_id: DeployId, services: ServicesOf) -> Deploy:
    """One deploy: its status, what was asked for, and the proof of its log."""
    keys = Keys(app_id, deploy_id)
    ((state,), _) = await services.store.run(states([keys]))
    if state is None:
        raise UnknownDeploy(deploy_id)
    return schemas.deploy(keys, state)


@router.post(
    "/deploys/{deploy_id}/cancel",
    status_code=202,
    responses=ERRORS | CONFLICT | AWAY,
    summary="Cancel a deploy",
)
async def cancel(app_id: AppId, deploy_id: DeployId, services: ServicesOf) -> Cancelled:
    """End a queued deploy; ask a building one to stop. 409 where it has ended already."""
    keys = Keys(app_id, deploy_id)
    status = await services.store.run(cancel_deploy(keys, new_token(), time.time()))
    return Cancelled(app_id=app_id, deploy_id=deploy_id, status=status)


async def _never_started(services: Services, keys: Keys) -> None:
    """The queue refused the job: end the deploy, so that nobody waits for it."""
    detail = "the job queue did not take it"
    try:
        ((state,), _) = await services.store.run(states([keys]))
        if state is not None:
            await services.store.run(
                end_deploy(keys, new_token(), state, Status.FAILED, "never_started", detail, time.time())
            )
    except DeployLogError:
        pass  # the log store is away too: a reaper finds that no job belongs to the deploy

"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api import errors
from api.services import ServicesOf
from producer.errors import StoreAway

router = APIRouter(tags=["Health"])


@router.get("/healthz", summary="Liveness")
async def healthz() -> dict[str, str]:
    """The process lives. Says nothing of Redis."""
    return {"status": "ok"}


@router.get("/readyz", summary="Readiness")
async def readyz(services: ServicesOf) -> Response:
    """Redis answers, the subscription stands, and no shutdown is under way."""
    if services.watchers.draining:
        return errors.response(503, "The server is shutting down", code="draining")
    try:
        await services.store.ping()
    except StoreAway:
        return errors.response(503, "The log store does not answer", code="store_away")
    if not services.hub.statistics().connected:
        return errors.response(503, "The subscription is not up", code="store_away")
    return JSONResponse({"status": "ok"})

"""A log service on FastAPI and sse-starlette, as one would write it by their documentation.

`python -m scripts.bench.peers.starlette_peer PORT REDIS_URL`
"""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from sse_starlette import EventSourceResponse, ServerSentEvent

from scripts.bench.peers import watching

app = FastAPI()
client = watching.connect()


@app.get("/v1/apps/{app_id}/deploys/{deploy_id}/logs/stream")
async def stream(app_id: str, deploy_id: str) -> EventSourceResponse:
    """The stream of a deploy."""
    return EventSourceResponse(_events(app_id, deploy_id))


async def _events(app_id: str, deploy_id: str) -> AsyncIterator[ServerSentEvent]:
    async with client.pubsub() as pubsub:
        last = 0
        for data in await watching.begin(client, pubsub, app_id, deploy_id):
            event = watching.event(data)
            last = event.seq
            yield _frame(event)
            if event.last:
                yield ServerSentEvent("{}", event="done", sep="\n")
                return
        async for message in pubsub.listen():
            if message["type"] != "message":
                continue
            event = watching.event(message["data"])
            if event.seq <= last:
                continue
            yield _frame(event)
            if event.last:
                yield ServerSentEvent("{}", event="done", sep="\n")
                return


def _frame(event: watching.Event) -> ServerSentEvent:
    return ServerSentEvent(event.data, event=event.name, id=str(event.seq), sep="\n")


if __name__ == "__main__":
    watching.serve(app)

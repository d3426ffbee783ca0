"""A log service on FastAPI's own Server-Sent Events, as one would write it by its documentation.

`python -m scripts.bench.peers.fastapi_peer PORT REDIS_URL`
"""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

from scripts.bench.peers import watching

app = FastAPI()
client = watching.connect()


@app.get("/v1/apps/{app_id}/deploys/{deploy_id}/logs/stream", response_class=EventSourceResponse)
async def stream(app_id: str, deploy_id: str) -> AsyncIterator[ServerSentEvent]:
    """The stream of a deploy."""
    async with client.pubsub() as pubsub:
        last = 0
        for data in await watching.begin(client, pubsub, app_id, deploy_id):
            event = watching.event(data)
            last = event.seq
            yield _frame(event)
            if event.last:
                yield ServerSentEvent(raw_data="{}", event="done")
                return
        async for message in pubsub.listen():
            if message["type"] != "message":
                continue
            event = watching.event(message["data"])
            if event.seq <= last:
                continue
            yield _frame(event)
            if event.last:
                yield ServerSentEvent(raw_data="{}", event="done")
                return


def _frame(event: watching.Event) -> ServerSentEvent:
    return ServerSentEvent(raw_data=event.data, event=event.name, id=str(event.seq))


if __name__ == "__main__":
    watching.serve(app)

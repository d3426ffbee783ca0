"""The whole way on real parts: enqueue, run, stream live, replay."""

import pytest

from tests.helpers import Service, assert_whole, read_log


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("fault", "status"), [(None, "complete"), ("error", "failed")])
def test_a_deploy_is_streamed_live_and_replayed(api: Service, fault: str | None, status: str) -> None:
    """A watcher that follows live and one that comes afterwards get the same whole log."""
    deploy = api.enqueue(simulate={"fault": fault, "speed": 50})
    live = read_log(api.stream_url("shop", deploy))
    replayed = read_log(api.stream_url("shop", deploy))
    assert_whole(live)
    assert live.events == replayed.events
    assert [data["status"] for kind, data, _ in live.events if kind == "status"] == ["queued", "building", status]

"""Times the delivery of lines, in a process of its own, so that the load of the soak itself does not blur it.

`python -m scripts.soaking.probe REDIS SECONDS API...` writes a log at a steady pace, watches it over each of the APIs,
and prints how many seconds each line took to each watcher, as a JSON list.
"""

import asyncio
import json
import secrets
import sys
import threading
import time
from collections.abc import Sequence

from producer.keys import Keys
from producer.library import create_deploy, open_log
from scripts.soaking.wire import ask
from scripts.wire import Decoder, stream_path
from worker.lifetime import die_with_parent

_APP = "probe"
_LINES_PER_SECOND = 40.0
_WATCHERS = 5  # on each API
_LIVE_SECONDS = 0.3


async def probe(redis_url: str, seconds: float, apis: Sequence[str]) -> list[float]:
    """Run it in a process of its own; nothing where that fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.soaking.probe", redis_url, f"{seconds}", *apis),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    times: list[float] = json.loads(said) if said and process.returncode == 0 else []
    return times


def _write(redis_url: str, deploy: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    with open_log(_APP, deploy, url=redis_url) as log:
        while time.monotonic() < end:
            log.write("a line of which the delivery is timed", stream="stdout")
            log.wait(1 / _LINES_PER_SECOND)


async def _watch(api: str, deploy: str, times: list[float]) -> None:
    live_from = time.time() + _LIVE_SECONDS
    decoder = Decoder()
    async with ask(api, stream_path(Keys(_APP, deploy))) as (reader, _):
        while not decoder.ended and (data := await reader.read(64 * 1024)):
            now = time.time()
            written = [json.loads(event.data)["ts"] for event in decoder.feed(data) if event.kind == "message"]
            times += [now - ts for ts in written if ts > live_from]


async def _time(redis_url: str, seconds: float, apis: Sequence[str]) -> list[float]:
    deploy = create_deploy(_APP, f"d{secrets.token_hex(6)}", url=redis_url)
    times: list[float] = []
    writer = threading.Thread(target=_write, args=(redis_url, deploy, seconds + _LIVE_SECONDS))
    writer.start()
    async with asyncio.timeout(seconds + 10):
        await asyncio.gather(*(_watch(api, deploy, times) for api in apis for _ in range(_WATCHERS)))
    writer.join()
    return times


if __name__ == "__main__":
    print(json.dumps([round(t, 6) for t in asyncio.run(_time(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))]))

"""A headless Chromium, driven over its debugging pipe."""

import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from tests.helpers import wait_until

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
_SECONDS = 45


class Browser:
    """Talks to a Chromium that reads commands from `write_to` and answers on `read_from` (file descriptors)."""

    def __init__(self, write_to: int, read_from: int) -> None:
        self._pipe = write_to
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, args=(read_from,), name="browser")
        self._thread.start()

    def close(self) -> None:
        """Wait until it has hung up."""
        self._thread.join()

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The result of one command of the debugging protocol."""
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            self._answers[number] = answer
            message = {"id": number, "method": method, "params": parameters}
            os.write(self._pipe, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        reply = answer.result(_SECONDS)
        assert "error" not in reply, (method, reply)
        result: dict[str, Any] = reply["result"]
        return result

    def run(self, origin: str, function: str, argument: str) -> Any:
        """What the JavaScript function resolves to, called in a new page of `origin`."""
        target = self.call("Target.createTarget", url=f"{origin}/healthz")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        wait_until(lambda: self._evaluate(session, "location.origin + document.readyState") == f"{origin}complete")
        value = self._evaluate(session, f"({function})({json.dumps(argument)})")
        self.call("Target.closeTarget", targetId=target)
        return value

    def _evaluate(self, session: str, expression: str) -> Any:
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        return self.call("Runtime.evaluate", session, **parameters)["result"].get("value")

    def _read(self, read_from: int) -> None:
        with os.fdopen(read_from, "rb") as pipe:
            rest = b""
            while data := os.read(pipe.fileno(), 1 << 16):
                *messages, rest = (rest + data).split(b"\0")
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers.pop(message["id"]).set_result(message)
        for answer in self._answers.values():
            answer.set_exception(EOFError("the browser has gone"))


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """A Chromium with a profile of its own; it and all that it started are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        commands, to_browser = os.pipe()
        from_browser, answers = os.pipe()
        redirect = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        process = subprocess.Popen(
            ["bash", "-c", redirect, program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        browser = Browser(to_browser, from_browser)
        try:
            yield browser
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(to_browser)
            browser.close()

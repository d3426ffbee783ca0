"""The deploys of the soak: simulated ones, asked for over HTTP, and logs that it writes itself."""

import asyncio
import secrets
from random import Random

import httpx2

from producer.keys import Keys
from producer.simulate import FaultKind
from scripts.simulate import tell
from scripts.soaking.course import Course
from scripts.soaking.ledger import Deploy, Ledger
from scripts.soaking.parts import Parts
from scripts.soaking.writers import Job, draw
from worker.catalogue import builtin, faults
from worker.generate import play

APP = "soak"
_JOBS = 3
_SIMULATED = 6


class Load:
    """Keeps some deploys of each sort under way. `asked` counts those whose answer is not there yet."""

    def __init__(self, parts: Parts, ledger: Ledger, course: Course, rng: Random) -> None:
        self.asked = 0
        self._parts = parts
        self._ledger = ledger
        self._course = course
        self._rng = rng
        self._http = httpx2.AsyncClient(timeout=10)
        self._jobs: list[Job] = []

    async def deploy(self) -> None:
        """Ask for simulated deploys, while there are few."""
        while not self._course.closing:
            await asyncio.sleep(self._rng.uniform(0.2, 1.2))
            if sum(not deploy.own for deploy in self._ledger.live) < _SIMULATED:
                self.asked += 1
                await self._ask()
                self.asked -= 1

    async def write(self) -> None:
        """Write logs from within, while there are few."""
        while not self._course.closing:
            self._jobs = [job for job in self._jobs if job.is_alive()]
            if len(self._jobs) < _JOBS:
                job = Job(APP, draw(self._rng), self._parts.redis_url, self._ledger.violation)
                self._jobs.append(job)
                self._ledger.deploys.append(await asyncio.to_thread(job.create, self._identity("j")))
                job.start()
            await asyncio.sleep(0.1)

    async def cancel(self) -> bool:
        """Cancel some deploy; whether one was."""
        live = self._ledger.live
        if not live:
            return False
        deploy = self._rng.choice(live)
        deploy.cancel_asked = True
        try:
            answer = await self._http.post(f"{self._deploys()}s/{deploy.keys.deploy}/cancel")
        except httpx2.HTTPError:
            return False
        if answer.status_code not in (202, 409, 503):
            self._ledger.violation(f"HTTP status {answer.status_code} to a cancel: {answer.text[:200]}")
        return answer.status_code == 202

    def stop(self) -> None:
        """Have the logs come to their ends."""
        for job in self._jobs:
            job.stopped.set()

    async def close(self) -> None:
        """Let go of everything."""
        self.stop()
        await self._http.aclose()

    async def _ask(self) -> None:
        rng, identity = self._rng, self._identity("w")
        fault: FaultKind | None = rng.choice((None, None, "error"))
        seed = rng.randrange(1000)
        simulate = {"scenario": "static", "seed": seed, "fault": fault, "speed": rng.choice((0, 5, 10, 40, 100))}
        *lines, _ = [line.text for line in tell(play(builtin("static"), faults(), seed, app=APP, fault=fault))]
        while True:
            try:
                answer = await self._http.post(self._deploys(), json={"deploy_id": identity, "simulate": simulate})
            except httpx2.HTTPError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code in (202, 409):  # there already: only the answer to an earlier request was lost
                self._ledger.deploys.append(Deploy(Keys(APP, identity), lines))
                return
            if answer.status_code != 503:
                self._ledger.violation(f"HTTP status {answer.status_code} to a deploy: {answer.text[:200]}")
                return
            await asyncio.sleep(0.2)

    def _identity(self, sort: str) -> str:
        return f"{sort}{len(self._ledger.deploys)}-{secrets.token_hex(3)}"

    def _deploys(self) -> str:
        return f"{self._rng.choice(self._parts.replicas).url}/v1/apps/{APP}/deploy"

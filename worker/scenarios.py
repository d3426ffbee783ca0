"""What a simulated deploy prints: pure, seeded generators. The same seed gives the same lines and delays, everywhere.

Of `random.Random` only `random()` gives the same numbers on every version and platform, so everything is drawn from
it, and delays are whole milliseconds. A scenario yields steps and returns why the deploy failed, None where it did not.
"""

from collections.abc import Callable, Generator, Sequence
from random import Random
from typing import NamedTuple, TypeAlias, TypeVar

from producer.simulate import ScenarioName

T = TypeVar("T")


class Step(NamedTuple):
    """A line, and how many milliseconds pass before it, at speed 1."""

    delay_ms: int
    line: str
    step: str
    stream: str = "stdout"
    level: str | None = None


Scenario: TypeAlias = Generator[Step, None, str | None]

_PACKAGES = (
    "react", "react-dom", "vite", "typescript", "zod", "date-fns", "lucide-react", "tailwindcss",
    "postcss", "autoprefixer", "eslint", "vitest", "msw", "clsx", "zustand", "esbuild",
)  # fmt: skip
_CHUNKS = ("index", "vendor", "dashboard", "settings", "charts", "login", "editor", "search")
_GREEN, _RED, _YELLOW, _DIM, _OFF = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def succeeds(rng: Random) -> Scenario:
    """A front-end app is fetched, built and put online."""
    yield from _fetch(rng)
    yield from _install(rng)
    yield from _build(rng)
    yield from _upload(rng)
    return None


def fails(rng: Random) -> Scenario:
    """The same app does not compile: the deploy fails in the middle of its build."""
    yield from _fetch(rng)
    yield from _install(rng)
    yield Step(_between(rng, 300, 700), "> vite build", "build")
    yield Step(_between(rng, 400, 900), f"{_DIM}transforming...{_OFF}", "build")
    name, line = _pick(rng, _CHUNKS), _between(rng, 12, 240)
    where = f"src/pages/{name}.tsx:{line}:{_between(rng, 3, 60)}"
    yield Step(
        _between(rng, 500, 1500),
        f"{where} - {_RED}error{_OFF} TS2345: Argument of type 'string | undefined' is not assignable "
        "to parameter of type 'string'.",
        "build",
        "stderr",
        "error",
    )
    yield Step(0, "", "build", "stderr")
    yield Step(0, f"{line}   const session = await load(params.id)", "build", "stderr")
    yield Step(0, f"{' ' * len(str(line))}                              ~~~~~~~~~", "build", "stderr")
    yield Step(40, "Found 1 error.", "build", "stderr", "error")
    return "npm run build exited with status 2"


SCENARIOS: dict[ScenarioName, Callable[[Random], Scenario]] = {"succeeds": succeeds, "fails": fails}


def _fetch(rng: Random) -> Generator[Step, None, None]:
    size = _between(rng, 180, 4200)
    yield Step(_between(rng, 50, 200), "Downloading bundle from S3...", "fetch")
    yield Step(_between(rng, 300, 900), f"Downloaded {size:,} KB", "fetch")
    yield Step(_between(rng, 50, 150), "Extracting bundle...", "fetch")
    yield Step(_between(rng, 50, 200), "Validating bundle (index.html, size)...", "fetch")


def _install(rng: Random) -> Generator[Step, None, None]:
    yield Step(_between(rng, 100, 300), "> npm ci", "install")
    for package in _PACKAGES:
        if rng.random() < 0.6:
            version = f"{_between(rng, 1, 19)}.{_between(rng, 0, 20)}.{_between(rng, 0, 9)}"
            yield Step(_between(rng, 5, 120), f"{_DIM}fetched{_OFF} {package}@{version}", "install")
    if rng.random() < 0.7:
        yield Step(
            _between(rng, 20, 200),
            f"npm {_YELLOW}warn{_OFF} deprecated inflight@1.0.6: This module is not supported, and leaks memory.",
            "install",
            "stderr",
            "warn",
        )
    seconds = _between(rng, 2, 9)
    yield Step(_between(rng, 200, 800), f"added {_between(rng, 180, 640)} packages in {seconds}s", "install")


def _build(rng: Random) -> Generator[Step, None, None]:
    yield Step(_between(rng, 300, 700), "> vite build", "build")
    yield Step(_between(rng, 400, 900), f"{_DIM}transforming...{_OFF}", "build")
    yield Step(_between(rng, 700, 1800), f"{_GREEN}✓{_OFF} {_between(rng, 300, 1900)} modules transformed.", "build")
    for name in _CHUNKS:
        digest = "".join(_pick(rng, "0123456789abcdef") for _ in range(8))
        size = _between(rng, 300, 180_000) / 100
        yield Step(
            _between(rng, 0, 40),
            f"{_DIM}dist/assets/{_OFF}{name}-{digest}.js  {size:8,.2f} kB │ gzip: {size / 3:7,.2f} kB",
            "build",
        )
    yield Step(_between(rng, 50, 200), f"{_GREEN}✓ built in {_between(rng, 200, 900) / 100:.2f}s{_OFF}", "build")


def _upload(rng: Random) -> Generator[Step, None, None]:
    count = _between(rng, 9, 24)
    yield Step(_between(rng, 100, 300), f"Uploading {count} assets to S3...", "upload")
    for done in range(1, count + 1):
        yield Step(_between(rng, 10, 160), f"Uploaded {done}/{count}", "upload")
    yield Step(_between(rng, 200, 700), "Invalidating the CDN cache...", "release")
    yield Step(_between(rng, 400, 1200), f"Health check passed ({_between(rng, 12, 180)} ms)", "release")


def _between(rng: Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def _pick(rng: Random, items: Sequence[T]) -> T:
    return items[int(rng.random() * len(items))]

"""Shows that each known fault is caught: `python -m tests.sabotage [MUTANT…]`.

Exit status 0 when every mutant is caught by each test that it names, and those tests pass without it; else 1.
"""

import argparse
import asyncio
import sys
import time

from tests.sabotage.catalogue import Mutant, StaleMutant, load
from tests.sabotage.runner import Result, run

_AT_ONCE = 2
_NONE = "(none)"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("mutants", nargs="*", metavar="MUTANT", help="those to try; all of mutants.toml by default")
    parser.add_argument("--list", action="store_true", help="say what each mutant does, and try none")
    options = parser.parse_args()
    known = load()
    if unknown := [name for name in options.mutants if name not in known]:
        parser.error(f"no such mutant: {', '.join(unknown)} (--list shows all)")
    mutants = [known[name] for name in options.mutants or known]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}: {mutant.fault}")
        return 0
    try:
        return asyncio.run(_try(mutants))
    except KeyboardInterrupt:
        return 130


async def _try(mutants: list[Mutant]) -> int:
    began = time.monotonic()
    room = asyncio.Semaphore(_AT_ONCE)
    width = max(len(mutant.name) for mutant in mutants)
    print(f"{'MUTANT':{width}}  SECONDS  CAUGHT BY", flush=True)

    async def attempt(mutant: Mutant | None) -> bool:
        tests = mutant.caught_by if mutant else tuple(dict.fromkeys(test for m in mutants for test in m.caught_by))
        async with room:
            try:
                result = await run(tests, mutant)
            except StaleMutant as error:
                result = Result(dict.fromkeys(tests, "broken"), str(error), 0.0)
        good = result.all("failed" if mutant else "passed")
        found = _passes(result) if mutant is None else _caught(result)
        name = mutant.name if mutant else _NONE
        below = "\n" + " " * (width + 11)
        print(f"{name:{width}}  {result.seconds:7.1f}  {below.join(found)}", flush=True)
        if not good:
            print("\n".join(f"    | {line}" for line in result.output.splitlines()[-30:]), flush=True)
        return good

    good = await asyncio.gather(attempt(None), *map(attempt, mutants))
    caught = sum(good[1:])
    print(f"{caught} of {len(mutants)} caught, and without them the tests {'pass' if good[0] else 'FAIL'}", end="")
    print(f" ({time.monotonic() - began:.0f} s)")
    return 0 if all(good) else 1


def _caught(result: Result) -> list[str]:
    words = {"failed": "", "passed": "NOT by ", "broken": "CANNOT RUN "}
    return [words[outcome] + _short(test) for test, outcome in result.outcomes.items()]


def _passes(result: Result) -> list[str]:
    bad = [f"{outcome.upper()} {_short(test)}" for test, outcome in result.outcomes.items() if outcome != "passed"]
    return bad or [f"nothing: all {len(result.outcomes)} tests pass"]


def _short(test: str) -> str:
    return test.removeprefix("tests/")


if __name__ == "__main__":
    sys.exit(main())

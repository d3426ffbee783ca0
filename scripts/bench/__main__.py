"""`scripts/bench/run`: measures deploytail beside its peers, on the same Redis, in interleaved rounds."""

import argparse
import json
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from producer.errors import DeployLogError
from scripts.bench import load, machine, picture, suite, table
from scripts.bench.case import Case, Sizes
from scripts.bench.errors import CannotMeasure, CannotStart
from scripts.bench.peers import registry
from scripts.bench.results import Results
from scripts.bench.rig import Rig, rig
from scripts.bench.scaling import Series
from scripts.embedded import EmbeddedError

EXIT_WHOLE, EXIT_ERRORS, EXIT_USAGE, EXIT_AWAY, EXIT_INTERRUPTED = 0, 1, 2, 69, 130

_QUICK_SECONDS = 0.3
_CEILING_TIMES = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 where a case gave no figure."""
    options = _options(arguments)
    if options.list:
        for case in suite.CASES:
            print(f"{case.name:16} {case.title}: {', '.join(case.peers)}")
        return EXIT_WHOLE
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("\ninterrupted: everything is stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (CannotStart, CannotMeasure, EmbeddedError, DeployLogError, RedisError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return EXIT_AWAY


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/bench/run", description=__doc__)
    peers = [*registry.PEERS, registry.BARE]
    parser.add_argument("--case", nargs="+", metavar="NAME", help="only these cases: see --list")
    parser.add_argument("--peer", nargs="+", metavar="NAME", choices=peers, help=f"only these: {', '.join(peers)}")
    parser.add_argument("--rounds", type=int, help="how often each is measured; the medians are shown (default: 3)")
    parser.add_argument("--seconds", type=float, help="how long a paced case runs (default: 4)")
    parser.add_argument("--redis", metavar="URL", help="a Redis to use; by default an embedded Valkey")
    parser.add_argument("--quick", action="store_true", help="all cases once, tiny: shows that it works, no figures")
    growths = [series.name for series in suite.SCALING]
    parser.add_argument(
        "--scaling",
        nargs="*",
        metavar="NAME",
        choices=growths,
        help=f"instead of the cases: how the cost of deploytail grows with {', '.join(growths)} (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="the cases, and who takes part in them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the main figures there, as SVG")
    options = parser.parse_args(arguments)
    names = [case.name for case in suite.CASES]
    if unknown := [name for name in options.case or [] if name not in names]:
        parser.error(f"no case {unknown[0]!r}: there are {', '.join(names)}")
    return options


def _run(options: argparse.Namespace) -> int:
    scaling: list[Series] = []
    if options.scaling is not None:
        scaling = [each for each in suite.SCALING if not options.scaling or each.name in options.scaling]
        scaling = [each.ends() for each in scaling] if options.quick else scaling
        cases = [case for each in scaling for case in each.cases]
    else:
        cases = [case for case in suite.CASES if not options.case or case.name in options.case]
    sizes = Sizes(options.seconds or (_QUICK_SECONDS if options.quick else Sizes.seconds), options.quick)
    rounds = options.rounds or (1 if options.quick or scaling else 3)
    with rig(options.redis) as parts:
        results = _measure(parts, cases, options.peer, rounds, sizes)
    sheets = table.growing(results, scaling) if scaling else table.beside(results)
    table.show(results, sheets)
    if options.json:
        options.json.write_text(json.dumps(results.as_json(), indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(table.markdown(results, sheets))
    if options.picture:
        options.picture.write_text(picture.svg(results))
    return EXIT_ERRORS if results.errors else EXIT_WHOLE


def _measure(parts: Rig, cases: list[Case], wanted: list[str] | None, rounds: int, sizes: Sizes) -> Results:
    asked = [name for name in registry.TITLES if any(name in case.peers for case in cases)]
    asked = [name for name in asked if not wanted or name in wanted]
    left_out = {name: reason for name in asked if (reason := registry.missing(name))}
    peers = [name for name in asked if name not in left_out]
    results = Results(
        cases, peers, machine.describe(parts), load.ceiling(parts.binary, sizes.of(_CEILING_TIMES, 1)), left_out
    )
    began = time.monotonic()
    for turn in range(rounds):
        for case in cases:
            for peer in (name for name in peers if name in case.peers):
                _say(f"{time.monotonic() - began:5.0f} s  round {turn + 1}/{rounds}  {case.name}  {peer}")
                parts.clear()
                try:
                    results.add(case, peer, case.run(parts, peer, sizes))
                except (CannotMeasure, DeployLogError, RedisError, OSError) as error:
                    results.failed(case, peer, " ".join([str(error), *getattr(error, "__notes__", [])]))
    results.ceiling = max(results.ceiling, load.ceiling(parts.binary, sizes.of(_CEILING_TIMES, 1)))
    return results


def _say(text: str) -> None:
    """What goes on, beside the table and not in it."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

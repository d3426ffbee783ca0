"""All cases, in the order in which they run."""

from scripts.bench import catchup, idle, live, scaling, starting, writing
from scripts.bench.case import Case

CASES: tuple[Case, ...] = (*live.cases(), *catchup.cases(), *idle.cases(), *writing.cases(), *starting.cases())
SCALING = scaling.series()

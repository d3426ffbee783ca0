"""The benchmark: deploytail beside its peers, on the same Redis, in interleaved rounds. `scripts/bench/run --help`."""

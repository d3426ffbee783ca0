"""The faults that tests inject: those of the soak."""

from scripts.faults import FaultProxy, Faults, alive, descendants

__all__ = ["FaultProxy", "Faults", "alive", "descendants"]

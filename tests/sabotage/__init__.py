"""The tests of the tests: known faults, put in on purpose, and the proof that a test catches each."""

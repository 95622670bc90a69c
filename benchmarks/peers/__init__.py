"""Kindred beside other search systems: same notes, same queries, same machine.  ``python -m benchmarks.peers``."""

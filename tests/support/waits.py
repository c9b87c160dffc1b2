"""How long tests wait for what must come: a busy machine is slow, and not wrong."""

LONGEST_WAIT = 120.0
"""Seconds; longer than the claim of a process that died with a message in its hands."""

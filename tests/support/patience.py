"""How long tests wait for what must come: a busy machine is slow, and not wrong."""

PATIENCE = 60.0
"""Seconds."""

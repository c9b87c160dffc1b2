"""What may happen to an incident that its thread tells."""

from enum import Enum


class Turn(Enum):
    """A turn in the life of an incident."""

    SEVERITY = "severity"
    LEADING = "leading"
    OWNED = "owned"
    ASKED = "asked"
    ESCALATED = "escalated"
    HELD = "held"
    SHOWN = "shown"
    RESOLVED = "resolved"

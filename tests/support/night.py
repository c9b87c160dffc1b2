"""Sites at which it is night, or day, while a test runs."""

from datetime import UTC, datetime
from typing import Any


def observing(*, night: bool) -> dict[str, Any]:
    """Give the part of a configuration that puts the telescope under a dark, or a bright, sky."""
    now = datetime.now(UTC)
    noon = (12 - now.hour - now.minute / 60) * 15
    longitude = noon + (180 if night else 0)
    return {
        "observing": {
            "latitude": 0.0,
            "longitude": (longitude + 180) % 360 - 180,
            "elevation": 0,
            "twilight": -12,
        }
    }

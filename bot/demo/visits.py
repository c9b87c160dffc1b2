"""Visits as the next-visit fan-out announces them: one entry for each active detector.

Every value is text, as in the real stream. Times are TAI, which is 37 s ahead of UTC.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

TAI_MINUS_UTC = timedelta(seconds=37)

DETECTORS: Mapping[str, Mapping[str, int]] = {
    "prod": {"lsstcam": 172},
    "dev": {"hsc": 103, "latiss": 1, "lsstcam": 189},
}
"""Active detectors of each instrument, by environment."""


@dataclass(frozen=True)
class _Camera:
    """What differs from one instrument to the next in the entries."""

    name: str
    sal_index: int
    filters: tuple[str, ...]
    exposure: float


_CAMERAS: Mapping[str, _Camera] = {
    "lsstcam": _Camera("LSSTCam", 1, ("u_24", "g_6", "r_57", "i_39", "z_20", "y_10"), 30.0),
    "latiss": _Camera("LATISS", 2, ("SDSSg_65mm~empty", "SDSSr_65mm~empty"), 30.0),
    "hsc": _Camera("HSC", 999, ("HSC-G", "HSC-R2", "HSC-I2"), 60.0),
}


def visit(instrument: str, detectors: int, now: datetime, random: Random) -> list[dict[str, str]]:
    """Make the entries of one visit.

    Parameters
    ----------
    instrument
        As the streams are named: ``lsstcam``, ``latiss`` or ``hsc``.
    detectors
        How many of them are active.
    now
        When the visit is announced, in UTC.
    random
        Where the telescope points is nobody's plan.

    Returns
    -------
    list
        One entry for each detector; they differ in ``detector`` alone.
    """
    camera = _CAMERAS[instrument]
    announced = now + TAI_MINUS_UTC
    position = [round(random.uniform(0, 360), 6), round(random.uniform(-75, 5), 6)]
    common = {
        "salIndex": str(camera.sal_index),
        "scriptSalIndex": str(random.randrange(100_000, 200_000)),
        "instrument": camera.name,
        "groupId": announced.strftime("%Y-%m-%dT%H:%M:%S.") + f"{announced.microsecond // 1000:03}",
        "coordinateSystem": "2",
        "startTime": f"{announced.timestamp() + 5:.3f}",
        "rotationSystem": "2",
        "cameraAngle": f"{random.uniform(0, 360):.4f}",
        "filters": random.choice(camera.filters),
        "dome": "2",
        "duration": f"{camera.exposure + 2.4:.1f}",
        "nimages": "1",
        "survey": f"BLOCK-{random.randrange(400, 440)}",
        "totalCheckpoints": "1",
        "private_sndStamp": f"{announced.timestamp():.6f}",
        "position": json.dumps(position),
    }
    return [common | {"detector": str(detector)} for detector in range(detectors)]

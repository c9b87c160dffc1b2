"""`consumers`: how many names a group has, and how many were left behind."""

import asyncio
from collections.abc import Mapping

from bot.command import Call, Purpose, Read, Reply
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.streams import Consumers
from bot.render.blocks import Block, Button, section
from bot.render.streams import missing, together
from bot.render.words import count, duration, rough

MOST_AT_NIGHT = 50_000
"""At night, more names than these are not looked at one by one.

Measured: 91 to 132 ms of server time at 100,000 names, during which no worker reads.
"""


async def run(call: Call) -> Reply:
    """Count the names of the instruments that were named."""
    environment, instruments = call.environment, call.instruments()
    looks = await call.services.streams.readable(instruments)
    night = is_night(environment.site, call.now)
    known = [look.group.consumers if look.group else 0 for look in looks]

    async def counted(instrument: str, names: int) -> Consumers | None:
        if night and names > MOST_AT_NIGHT:
            return Consumers(names)
        return await call.services.streams.consumers(instrument)

    counts = await asyncio.gather(*map(counted, instruments, known))
    found = dict(zip(instruments, counts, strict=True))
    names = sum(each.names for each in counts if each is not None)
    drawn = [_drawn(environment, *each) for each in found.items()]
    most = to_prune(environment, found)
    offered = (Button("Prune", "prune", most),) if most else ()
    shown = together(environment, drawn, count(names, "consumer name"))
    return Reply(*shown, (*call.reading_buttons, *offered))


def to_prune(environment: Environment, found: Mapping[str, Consumers | None]) -> str | None:
    """Pick the instrument with the most names left behind; None where there are none."""
    if environment.read_only:
        return None
    idle = {name: each.idle or 0 for name, each in found.items() if each is not None}
    worst = max(idle, key=lambda name: idle[name], default=None)
    return worst if worst is not None and idle[worst] else None


def _drawn(
    environment: Environment, instrument: str, found: Consumers | None
) -> tuple[str, list[Block]]:
    """Draw how many names one instrument has; None is a missing group."""
    if found is None:
        return missing(environment, instrument)
    where, names = f"{environment.label} {instrument}", count(found.names, "consumer name")
    if found.idle is None:
        first = f"🟢 *{where}: {names}.*"
        return first, [
            section(
                first + "\nThese are names ever used, not workers that run. So many are only "
                "counted at night: looking at each would hold up Redis, and the workers with it."
            )
        ]
    limit = f"idle for more than {rough(environment.consumer_idle)}"
    first = f"🟢 *{where}: {names}, {found.idle:,} {limit}.*"
    longest = duration(found.longest_idle) if found.longest_idle is not None else "unknown"
    return first, [
        section(
            first + "\nThese are names ever used, not workers that run: each worker brings a new "
            "one, and none is ever removed.",
            [
                ("Names", f"{found.names:,}"),
                (limit.capitalize(), f"{found.idle:,}"),
                ("With something unconfirmed", f"{found.busy:,}"),
                ("Longest idle", longest if found.names else "no name yet"),
            ],
        )
    ]


COMMANDS = (
    Read(
        name="consumers",
        usage="[INSTRUMENT]",
        summary="how many consumer names there are, and how many were left behind",
        purpose=Purpose.LOOK,
        run=run,
        details=(
            "Every worker brings a new name and none is ever removed, so the number of names says "
            "nothing about how many workers run. `prune` removes those that were left behind."
        ),
    ),
)

"""`unsilence`: end a silence early."""

from collections.abc import AsyncIterator
from datetime import datetime

from bot.command import Act, Call, Purpose, Reply
from bot.domain.alarms import Silence
from bot.domain.environments import Environment
from bot.render.alarms import name, silence_subject
from bot.render.blocks import Button, Drawn, context, section
from bot.render.words import clock


async def run(call: Call) -> AsyncIterator[Reply]:
    """End it."""
    silence = await call.services.alarms.unsilence(call.number, call.person, call.now)
    yield Reply(*unsilenced(call.environment, silence, call.person.name, call.now))


def unsilenced(environment: Environment, silence: Silence, by: str, now: datetime) -> Drawn:
    """Draw a silence that somebody has ended early."""
    first = (
        f"🔧 *{environment.label}: {name(by)} ends the silence of {silence_subject(silence)}.* "
        f"Silence {silence.id}"
    )
    text = f"{first}\nWhat still fires is shown again within seconds."
    foot = context(f"{clock(now, seconds=True)} UTC")
    return first, [section(text), foot], [Button("Alarms", "alarms")]


COMMANDS = (
    Act(
        name="unsilence",
        usage="ID",
        summary="end a silence early",
        purpose=Purpose.ALARMS,
        run=run,
        details="What still fires is shown again at once. `alarms` lists the silences.",
    ),
)

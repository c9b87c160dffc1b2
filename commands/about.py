"""`about`: which bot this is, since when it runs, and what it looks after."""

from bot.command import Call, Place, Purpose, Read, Reply
from bot.render.blocks import Markup, context, join, link, mark, section
from bot.render.words import clock, duration


async def run(call: Call) -> Reply:
    """Describe this process."""
    deployment = call.deployment
    first = (
        f"*prompt-redis-bot {deployment.version}, up for "
        f"{duration(call.now - deployment.started)}.*"
    )
    leader = await deployment.leader() if deployment.leader else None
    facts: list[tuple[str, str]] = [_place(place) for place in deployment.places]
    facts.append(("Leader", leader or "none at this moment"))
    blocks = [section(first, facts)]
    links = [
        link(url, name)
        for name in sorted(call.environment.links)
        if (url := call.environment.link(name, call.environment.instruments[0])) is not None
    ]
    if links:
        blocks.append(section(mark("Links: {}", join(", ", links))))
    started = clock(deployment.started, now=call.now)
    blocks.append(context(mark("{} UTC · started {} UTC", clock(call.now, seconds=True), started)))
    return Reply(first, blocks, call.reading_buttons)


def _place(place: Place) -> tuple[str, Markup]:
    environment = place.environment
    return environment.label, mark("{} in {}", ", ".join(environment.instruments), place.channel)


COMMANDS = (
    Read(
        name="about",
        summary="version, uptime, environments, leader, links",
        purpose=Purpose.LEARN,
        run=run,
    ),
)
